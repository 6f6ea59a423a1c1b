//! `[providers.NAME]`: who is called, how, and where the key is found.

mod address;
mod key;
mod kind;

pub use key::{KeyError, KeySource};
pub(crate) use key::{literal_key_message, named};
pub(crate) use kind::KIND_NAMES;
pub use kind::ProviderKind;

use crate::base_url::BaseUrl;
use crate::problem::{is_pasted_key, shown};
use crate::reader::Section;
use crate::secret::Secret;
use address::{base_url, check_cloud, place};
use key::key;
use kind::{KINDS, KindFacts};
use std::path::Path;
use tierway_decide::room::RoomLimits;
use tierway_wire::Format;

/// One upstream account, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Its name in the config.
    pub name: String,
    /// Whose API it is.
    pub kind: ProviderKind,
    /// Everything before the API's own path.
    pub base_url: BaseUrl,
    /// The API that is spoken.
    pub format: Format,
    /// Where its key is found.
    pub key: KeySource,
    /// Azure: `api-version` in addresses; none for addresses in Azure's `/v1` style. Anthropic: version header.
    pub api_version: Option<String>,
    /// Vertex: the project. Bedrock: nothing.
    pub project: Option<String>,
    /// Vertex: its location. Bedrock: its region.
    pub region: Option<String>,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Longest wait for a connection.
    pub connect_ms: u32,
    /// Longest wait for the first byte.
    pub first_byte_ms: u32,
    /// Longest silence inside a stream.
    pub between_chunks_ms: u32,
    /// Longest time for one call.
    pub total_ms: u32,
    /// Idle connections that are kept.
    pub max_idle_connections: u32,
    /// What the account allows.
    pub limits: RoomLimits,
    /// HTTP/2 over plain http without asking.
    pub http2: bool,
    /// Line of the section in the config.
    pub line: usize,
}

/// How a key is shown to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// A header of the API's own, by its name in lower case.
    Named(&'static str),
}

impl ProviderConfig {
    /// How the key is shown: as the API that is spoken wants it, not as the company's other APIs do.
    #[must_use]
    pub const fn key_header(&self) -> KeyHeader {
        match (self.kind, self.format) {
            (ProviderKind::Azure, _) => KeyHeader::Named("api-key"),
            (ProviderKind::Vertex | ProviderKind::Bedrock, _) => KeyHeader::Bearer,
            (_, Format::AnthropicMessages) => KeyHeader::Named("x-api-key"),
            (_, Format::Gemini) => KeyHeader::Named("x-goog-api-key"),
            _ => KeyHeader::Bearer,
        }
    }

    /// What keeps a key from going into a header; credentials of a cloud are a file of several lines and go into none.
    pub(crate) fn refuses(&self, key: &Secret) -> Option<KeyError> {
        let of_cloud = matches!(self.kind, ProviderKind::Vertex | ProviderKind::Bedrock);
        let sent = key.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if sent || of_cloud && key.expose().starts_with('{') {
            return None;
        }
        let place = match &self.key {
            KeySource::Env(name) => format!("in environment variable {name}"),
            KeySource::File(path) => format!("in {}", path.display()),
            _ => "that was found".to_owned(),
        };
        Some(KeyError::Unsendable { place })
    }

    /// The catalogue's name for its models: that of its kind, or else the one that its host is known for.
    #[must_use]
    pub fn catalogue(&self) -> Option<&'static str> {
        match (self.kind, self.format) {
            // Vertex asks what the models' makers ask, in most places.
            (ProviderKind::Vertex, Format::AnthropicMessages) => return Some("anthropic"),
            (ProviderKind::Vertex, Format::Gemini) => return Some("google"),
            _ => {}
        }
        self.kind.catalogue().or_else(|| {
            let host = self.base_url.host();
            let known = |facts: &&KindFacts| facts.base_url.is_some_and(|url| url.split('/').nth(2) == Some(host));
            let by_suffix = HOST_SUFFIXES.iter().find(|(suffix, _)| host.ends_with(suffix)).map(|(_, name)| *name);
            KINDS.iter().find(known).and_then(|facts| facts.catalogue).or(by_suffix)
        })
    }
}

/// Hosts with a part of the customer's own in front.
const HOST_SUFFIXES: [(&str, &str); 3] =
    [(".openai.azure.com", "azure"), (".services.ai.azure.com", "azure"), (".amazonaws.com", "bedrock")];

/// Reads all providers. `base` is the directory of the config.
pub(crate) fn read(root: &Section<'_, '_>, base: &Path) -> Vec<ProviderConfig> {
    root.named("providers").iter().filter_map(|(name, section)| one(&name.text, section, base)).collect()
}

fn one(name: &str, section: &Section<'_, '_>, base: &Path) -> Option<ProviderConfig> {
    if name.is_empty() || name.contains(['/', ' ']) {
        section.reader.problem(section.at, format!("{}: a provider's name has no blank and no `/`", section.title));
    }
    section.require("kind");
    // Everything is read before anything is given up, so that every problem is found.
    let kind = section.text("kind").and_then(|kind| ProviderKind::named(&kind.text));
    let format = section.text("format").and_then(|format| format_named(&format.text));
    let (project, region) = place(section, kind);
    check_cloud(section, kind, format);
    let base_url = base_url(section, kind, format, region.as_deref());
    let key = key(section, kind, base);
    let api_version = section.text("api_version").map(|version| version.text);
    let config = ProviderConfig {
        name: name.to_owned(),
        headers: headers(section),
        connect_ms: section.int32("connect_ms"),
        first_byte_ms: section.int32("first_byte_ms"),
        between_chunks_ms: section.int32("between_chunks_ms"),
        total_ms: section.int32("total_ms"),
        max_idle_connections: section.int32("max_idle_connections"),
        limits: RoomLimits {
            rpm: section.opt_int32("rpm"),
            tpm: section.opt_int32("tpm"),
            max_concurrent: section.opt_int32("max_concurrent"),
        },
        http2: section.flag("http2"),
        line: section.reader.line(section.at),
        kind: kind?.kind,
        base_url: base_url?,
        format: format.or(kind.map(|kind| kind.format))?,
        key,
        api_version,
        project,
        region,
    };
    check_azure(section, &config);
    Some(config)
}

fn check_azure(section: &Section<'_, '_>, config: &ProviderConfig) {
    let versioned = config.base_url.as_str().ends_with("/v1");
    if config.kind == ProviderKind::Azure && !versioned && config.api_version.is_none() {
        let message =
            "`api_version` is missing; set it, such as \"2024-10-21\", or use the address that ends in `/openai/v1`";
        section.reader.problem(section.at, format!("{}: {message}", section.title));
    }
    if config.kind != ProviderKind::Azure && config.api_version.is_some() {
        let message =
            "is for Azure's addresses only; take it out (clients of Anthropic's API name its version in a header)";
        section.problem("api_version", format!("`api_version` in {} {message}", section.title));
    }
}

fn format_named(name: &str) -> Option<Format> {
    Format::named(name)
}

/// Headers that carry credentials or belong to the connection.
const REFUSED_HEADERS: [&str; 9] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
];

fn headers(section: &Section<'_, '_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, value) in section.text_map("headers") {
        let lower = name.text.to_ascii_lowercase();
        let token =
            !lower.is_empty() && lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let problem = if REFUSED_HEADERS.contains(&lower.as_str()) {
            Some("is set by tierway itself; keys come from `key_env`, `key_file` or `key_command`")
        } else if !token {
            Some("is no header name; use letters, digits and `-`")
        } else if value.text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            Some("has a value with line ends or control characters")
        } else if is_pasted_key(&value.text) {
            Some("looks like a key, which does not belong in this file; use `key_env`, `key_file` or `key_command`")
        } else {
            None
        };
        match problem {
            Some(problem) => {
                section.reader.problem(name.at, format!("header {} in {} {problem}", shown(&name.text), section.title));
            }
            None => headers.push((lower, value.text)),
        }
    }
    headers
}
