//! Pictures, sound and documents: always inline, and named by a format instead of a type.

use crate::json::Node;
use crate::neutral::{Content, Source};
use crate::options::Changes;
use crate::write::Obj;
use crate::{EncodeError, Format};

/// Formats of pictures and documents, and their types.
const FORMATS: [(&str, &str); 13] = [
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

/// The API refuses longer names.
const MAX_NAME: usize = 200;

/// What a document is called that came without a name.
const NAMELESS: &str = "document";

fn format_of(mime: &str, picture: bool) -> Option<&'static str> {
    let mime = mime.split(';').next().unwrap_or(mime).trim();
    let mime = if mime.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { mime };
    let fits = |(_, known): &&(&str, &str)| known.eq_ignore_ascii_case(mime) && known.starts_with("image/") == picture;
    FORMATS.iter().find(fits).map(|(format, _)| *format)
}

fn mime_of(format: &str) -> Option<&'static str> {
    FORMATS.iter().find(|(known, _)| *known == format).map(|(_, mime)| *mime)
}

fn inline<'s>(source: &'s Source, field: &str) -> Result<(&'s str, &'s str), EncodeError> {
    match source {
        Source::Data { mime, data } => Ok((mime, data)),
        Source::Url(_) => Err(EncodeError::new(field, "Bedrock fetches no links; send it inline")),
        Source::FileId { .. } | Source::Text(_) => {
            Err(EncodeError::new(field, "it lies with another provider; send it inline"))
        }
    }
}

fn block(kind: &str, format: &str, name: Option<&str>, data: &str) -> String {
    let source = Obj::new().str("bytes", data).end();
    let inner = Obj::new().str("format", format).opt_str("name", name).raw("source", &source).end();
    Obj::new().raw(kind, &inner).end()
}

pub(super) fn image(source: &Source) -> Result<String, EncodeError> {
    let (mime, data) = inline(source, "image_url")?;
    let format = format_of(mime, true);
    let format = format.ok_or_else(|| EncodeError::new("image_url", format!("Bedrock takes no {mime}")))?;
    Ok(block("image", format, None, data))
}

pub(super) fn audio(data: &str, format: &str) -> String {
    block("audio", format, None, data)
}

/// Documents of one request: the API wants a name for each, of plain signs, and no two alike.
#[derive(Debug, Default)]
pub(super) struct Documents(Vec<String>);

impl Documents {
    pub(super) fn block(
        &mut self,
        source: &Source,
        name: Option<&str>,
        changes: &mut Changes,
    ) -> Result<String, EncodeError> {
        let (mime, data) = inline(source, "file")?;
        let format = format_of(mime, false);
        let format = format.ok_or_else(|| EncodeError::new("file", format!("Bedrock takes no {mime}")))?;
        let fitting = self.name(name.unwrap_or(NAMELESS), format);
        if name.is_some_and(|name| name != fitting) {
            changes.changed("file.filename", "Bedrock takes plain names, each once and without an ending");
        }
        Ok(block("document", format, Some(&fitting), data))
    }

    fn name(&mut self, wanted: &str, format: &str) -> String {
        let stem = wanted.strip_suffix(format).and_then(|stem| stem.strip_suffix('.')).unwrap_or(wanted);
        let plain = |sign: char| if sign.is_ascii_alphanumeric() || "-()[]".contains(sign) { sign } else { ' ' };
        let signs: String = stem.chars().map(plain).collect();
        let words: Vec<&str> = signs.split_whitespace().collect();
        let mut name = words.join(" ");
        // Room for a number behind it.
        name.truncate(MAX_NAME - 12);
        let first = if name.trim().is_empty() { NAMELESS.to_owned() } else { name.trim().to_owned() };
        let mut name = first.clone();
        let mut number = 1u32;
        while self.0.contains(&name) {
            number += 1;
            name = format!("{first} {number}");
        }
        self.0.push(name.clone());
        name
    }
}

/// A picture, sound or document of a request or an answer; None when the block is none, or lies elsewhere.
pub(super) fn read(node: &Node<'_>) -> Option<Content> {
    let data = |inner: &Node<'_>| inner.get("source")?.str("bytes").map(str::to_owned);
    if let Some(sound) = node.get("audio") {
        return Some(Content::Audio { data: data(sound)?, format: sound.str("format")?.to_owned() });
    }
    let (inner, picture) =
        node.get("image").map(|inner| (inner, true)).or_else(|| Some((node.get("document")?, false)))?;
    let source = Source::Data { mime: mime_of(inner.str("format")?)?.to_owned(), data: data(inner)? };
    Some(if picture {
        Content::Image { source, detail: None }
    } else {
        Content::File { source, name: inner.str("name").map(str::to_owned) }
    })
}

/// A part that only this API understands, or that cannot be said elsewhere.
pub(super) fn raw(node: &Node<'_>) -> Content {
    Content::Raw { origin: Format::BedrockConverse, json: node.raw.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_plain_names_and_no_two_the_same() {
        let mut documents = Documents::default();
        for (wanted, want) in [
            ("report.pdf", "report"),
            ("report.pdf", "report 2"),
            ("Q3_2026  (final).v2.pdf", "Q3 2026 (final) v2"),
            ("\u{4f60}\u{597d}", "document"),
            ("..", "document 2"),
            ("", "document 3"),
        ] {
            assert_eq!(documents.name(wanted, "pdf"), want, "{wanted}");
        }
        assert!(documents.name(&"x".repeat(999), "pdf").len() <= MAX_NAME);
        assert!(documents.name(&"x".repeat(999), "pdf").len() <= MAX_NAME);
    }
}
