//! Where a provider is: its address, as given or by kind, format, project and region.

use super::ProviderKind;
use super::kind::KindFacts;
use crate::base_url::BaseUrl;
use crate::reader::{Origin, Section, quoted};
use tierway_wire::Format;

/// Project and region of a cloud; asked for where they belong, refused where they do not.
pub(super) fn place(section: &Section<'_, '_>, kind: Option<&KindFacts>) -> (Option<String>, Option<String>) {
    let kind = kind.map(|facts| facts.kind);
    let wanted: &[&str] = match kind {
        Some(ProviderKind::Vertex) => &["project", "location"],
        Some(ProviderKind::Bedrock) => &["region"],
        _ => &[],
    };
    let read = |name: &'static str, what: &str| {
        let text = section.text(name).map(|text| text.text);
        match (&text, wanted.contains(&name)) {
            (None, true) => {
                section.reader.problem(section.at, format!("{}: `{name}` is missing; {what}", section.title));
            }
            (Some(_), false) if kind.is_some() => {
                section.problem(name, format!("`{name}` in {} means nothing to this kind", section.title));
            }
            (Some(text), true) if !place_ok(text) => {
                let message = format!("`{name}` in {} takes letters, digits, `-`, `.` and `:`", section.title);
                section.problem(name, message);
            }
            _ => {}
        }
        text
    };
    let project = read("project", "set Google's id of the project");
    let location = read("location", "set it, such as \"global\" or \"europe-west1\"");
    let region = read("region", "set it, such as \"eu-central-1\"");
    (project, location.or(region))
}

/// It becomes part of addresses.
fn place_ok(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte))
}

pub(super) fn check_cloud(section: &Section<'_, '_>, kind: Option<&KindFacts>, format: Option<Format>) {
    let spoken: &[Format] = match kind.map(|facts| facts.kind) {
        Some(ProviderKind::Vertex) => &[Format::Gemini, Format::AnthropicMessages, Format::OpenaiChat],
        Some(ProviderKind::Bedrock) => &[Format::AnthropicMessages, Format::BedrockConverse, Format::OpenaiChat],
        _ => return,
    };
    if format.is_some_and(|format| !spoken.contains(&format)) {
        let names: Vec<&str> = spoken.iter().map(|format| format.name()).collect();
        let message = format!("`format` in {}: this kind speaks {}", section.title, names.join(", "));
        section.problem("format", message);
    }
}

/// Addresses of a format that is asked for and lives elsewhere than the kind's usual one.
const OTHER_URLS: [(ProviderKind, Format, &str); 2] = [
    (ProviderKind::Gemini, Format::OpenaiChat, "https://generativelanguage.googleapis.com/v1beta/openai"),
    (ProviderKind::Ollama, Format::OllamaChat, "http://127.0.0.1:11434"),
];

/// Addresses of the clouds by place.
fn cloud_url(kind: ProviderKind, region: Option<&str>) -> Option<String> {
    let region = region.filter(|region| place_ok(region))?;
    match kind {
        ProviderKind::Vertex => Some(match region {
            "global" => "https://aiplatform.googleapis.com/v1".to_owned(),
            "us" | "eu" => format!("https://aiplatform.{region}.rep.googleapis.com/v1"),
            region => format!("https://{region}-aiplatform.googleapis.com/v1"),
        }),
        ProviderKind::Bedrock => Some(format!("https://bedrock-runtime.{region}.amazonaws.com")),
        _ => None,
    }
}

pub(super) fn base_url(
    section: &Section<'_, '_>,
    kind: Option<&KindFacts>,
    given_format: Option<Format>,
    region: Option<&str>,
) -> Option<BaseUrl> {
    let allow_http = section.flag("allow_http");
    let Some(text) = section.text("base_url") else {
        let kind = kind?;
        if let Some(url) = cloud_url(kind.kind, region) {
            section.derived("base_url", quoted(&url), Origin::Default);
            return BaseUrl::parse(&url, allow_http).ok();
        }
        if matches!(kind.kind, ProviderKind::Vertex | ProviderKind::Bedrock) {
            return None; // what is missing was said
        }
        let other = OTHER_URLS.iter().find(|(own, format, _)| *own == kind.kind && Some(*format) == given_format);
        if let Some(url) = other.map(|(_, _, url)| *url).or(kind.base_url) {
            section.derived("base_url", quoted(url), Origin::Default);
            return BaseUrl::parse(url, allow_http).ok();
        }
        let message =
            format!("{}: `base_url` is missing; kind \"{}\" has no address of its own", section.title, kind.name);
        section.reader.problem(section.at, message);
        return None;
    };
    match BaseUrl::parse(&text.text, allow_http) {
        Ok(url) => Some(url),
        Err(error) => {
            section.problem("base_url", format!("`base_url` in {} {error}", section.title));
            None
        }
    }
}
