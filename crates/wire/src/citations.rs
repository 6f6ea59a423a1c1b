//! Citations of an answer in the shape of the client's API. All that two of them can say is which link a piece of text comes
//! from; places in a client's own documents are said by Anthropic's API alone.

use crate::json::Node;
use crate::neutral::Json;
use crate::write::Obj;
use std::ops::Range;

/// A link, and the text that cites it.
struct Link<'n> {
    url: &'n str,
    title: &'n str,
    start: u64,
    end: u64,
}

/// What a note says of a link; none when it speaks of something else. `text`: where the text stands that it belongs to, in
/// characters, for APIs that do not say it themselves.
fn link<'n>(note: &'n Node<'_>, text: &Range<usize>) -> Option<Link<'n>> {
    let inner = match note.str("type")? {
        "url_citation" => note.get("url_citation").unwrap_or(note),
        "web_search_result_location" => note,
        _ => return None,
    };
    let place = |name: &str, else_: usize| inner.u64(name).unwrap_or(else_ as u64);
    Some(Link {
        url: inner.str("url")?,
        title: inner.str("title").unwrap_or_default(),
        start: place("start_index", text.start),
        end: place("end_index", text.end),
    })
}

impl Link<'_> {
    fn fields(&self, object: &mut Obj) -> String {
        object.num("start_index", self.start).num("end_index", self.end);
        object.str("url", self.url).str("title", self.title).end()
    }
}

/// For Chat Completions, which knows links alone.
pub(crate) fn for_chat(note: &str, text: &Range<usize>) -> Option<Json> {
    let node = Node::parse(note, 2).ok()?;
    if node.get("url_citation").is_some() {
        return Some(note.to_owned());
    }
    let inner = link(&node, text)?.fields(&mut Obj::new());
    Some(Obj::new().str("type", "url_citation").raw("url_citation", &inner).end())
}

/// For the Responses API, whose other notes go on as they came.
pub(crate) fn for_responses(note: &str, text: &Range<usize>) -> Option<Json> {
    let node = Node::parse(note, 2).ok()?;
    let kind = node.str("type").unwrap_or_default();
    if kind.ends_with("_location") || node.get("url_citation").is_some() {
        return Some(link(&node, text)?.fields(Obj::new().str("type", "url_citation")));
    }
    Some(note.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(note: &str, chat: Option<&str>, responses: Option<&str>) {
        let text = 3..9;
        assert_eq!(for_chat(note, &text).as_deref(), chat);
        assert_eq!(for_responses(note, &text).as_deref(), responses);
    }

    #[test]
    fn links_are_known_to_both_of_openais_apis() {
        let nested = r#"{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}"#;
        let flat = r#"{"type":"url_citation","start_index":1,"end_index":2,"url":"u","title":"t"}"#;
        check(nested, Some(nested), Some(flat));
        check(flat, Some(nested), Some(flat));
        let found = r#"{"type":"web_search_result_location","url":"u","title":null,"encrypted_index":"e"}"#;
        check(
            found,
            Some(r#"{"type":"url_citation","url_citation":{"start_index":3,"end_index":9,"url":"u","title":""}}"#),
            Some(r#"{"type":"url_citation","start_index":3,"end_index":9,"url":"u","title":""}"#),
        );
    }

    #[test]
    fn places_in_documents_stay_with_their_api() {
        let place = r#"{"type":"char_location","cited_text":"c","document_index":0}"#;
        check(place, None, None);
        let file = r#"{"type":"file_citation","file_id":"f","index":0}"#;
        check(file, None, Some(file));
    }
}
