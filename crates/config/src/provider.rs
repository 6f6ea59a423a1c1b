//! `[providers.NAME]`: who is called, how, and where the key is found.

use crate::base_url::BaseUrl;
use crate::problem::{looks_secret, shown};
use crate::reader::{Origin, Section, quoted};
use crate::schema::{self, Spec};
use crate::secret::Secret;
use std::path::{Path, PathBuf};
use tierway_decide::room::RoomLimits;
use tierway_wire::Format;

/// Whose API a provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "names of companies and programs")]
pub enum ProviderKind {
    OpenAi,
    Anthropic,
    Gemini,
    OpenRouter,
    Azure,
    /// Google's Vertex AI.
    Vertex,
    /// Amazon's Bedrock.
    Bedrock,
    Mistral,
    DeepSeek,
    Xai,
    Groq,
    Together,
    Fireworks,
    Qwen,
    Cohere,
    Ollama,
    /// Any other server that speaks OpenAI Chat Completions.
    OpenAiCompatible,
}

/// What is known of a kind.
struct KindFacts {
    kind: ProviderKind,
    name: &'static str,
    base_url: Option<&'static str>,
    format: Format,
    key_env: Option<&'static str>,
    catalogue: Option<&'static str>,
}

const fn facts(
    kind: ProviderKind,
    name: &'static str,
    base_url: Option<&'static str>,
    key_env: Option<&'static str>,
    catalogue: Option<&'static str>,
) -> KindFacts {
    KindFacts { kind, name, base_url, format: Format::OpenaiChat, key_env, catalogue }
}

/// Addresses and variables as the providers' own documentation gives them (November 2026).
static KINDS: [KindFacts; 17] = [
    facts(ProviderKind::OpenAi, "openai", Some("https://api.openai.com/v1"), Some("OPENAI_API_KEY"), Some("openai")),
    KindFacts {
        format: Format::AnthropicMessages,
        ..facts(
            ProviderKind::Anthropic,
            "anthropic",
            Some("https://api.anthropic.com/v1"),
            Some("ANTHROPIC_API_KEY"),
            Some("anthropic"),
        )
    },
    // The native API: Google's endpoint for OpenAI's format (`format = "openai_chat"`) has no place for thought signatures,
    // and tells less of the usage.
    KindFacts {
        format: Format::Gemini,
        ..facts(
            ProviderKind::Gemini,
            "gemini",
            Some("https://generativelanguage.googleapis.com/v1beta"),
            Some("GEMINI_API_KEY"),
            Some("google"),
        )
    },
    facts(
        ProviderKind::OpenRouter,
        "openrouter",
        Some("https://openrouter.ai/api/v1"),
        Some("OPENROUTER_API_KEY"),
        Some("openrouter"),
    ),
    facts(ProviderKind::Azure, "azure", None, Some("AZURE_OPENAI_API_KEY"), Some("azure")),
    // Their addresses hang on `location` and `region`.
    KindFacts { format: Format::Gemini, ..facts(ProviderKind::Vertex, "vertex", None, None, None) },
    KindFacts {
        format: Format::AnthropicMessages,
        ..facts(ProviderKind::Bedrock, "bedrock", None, None, Some("bedrock"))
    },
    facts(
        ProviderKind::Mistral,
        "mistral",
        Some("https://api.mistral.ai/v1"),
        Some("MISTRAL_API_KEY"),
        Some("mistral"),
    ),
    facts(
        ProviderKind::DeepSeek,
        "deepseek",
        Some("https://api.deepseek.com/v1"),
        Some("DEEPSEEK_API_KEY"),
        Some("deepseek"),
    ),
    facts(ProviderKind::Xai, "xai", Some("https://api.x.ai/v1"), Some("XAI_API_KEY"), Some("xai")),
    facts(ProviderKind::Groq, "groq", Some("https://api.groq.com/openai/v1"), Some("GROQ_API_KEY"), Some("groq")),
    facts(
        ProviderKind::Together,
        "together",
        Some("https://api.together.xyz/v1"),
        Some("TOGETHER_API_KEY"),
        Some("together"),
    ),
    facts(
        ProviderKind::Fireworks,
        "fireworks",
        Some("https://api.fireworks.ai/inference/v1"),
        Some("FIREWORKS_API_KEY"),
        Some("fireworks"),
    ),
    facts(
        ProviderKind::Qwen,
        "qwen",
        Some("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        Some("DASHSCOPE_API_KEY"),
        Some("qwen"),
    ),
    facts(
        ProviderKind::Cohere,
        "cohere",
        Some("https://api.cohere.ai/compatibility/v1"),
        Some("COHERE_API_KEY"),
        Some("cohere"),
    ),
    facts(ProviderKind::Ollama, "ollama", Some("http://127.0.0.1:11434/v1"), None, None),
    facts(ProviderKind::OpenAiCompatible, "openai_compatible", None, None, None),
];

/// The kinds as they are written, for the schema.
pub(crate) static KIND_NAMES: [&str; 17] = {
    let mut names = [""; 17];
    let mut at = 0;
    while at < KINDS.len() {
        names[at] = KINDS[at].name;
        at += 1;
    }
    names
};

impl ProviderKind {
    /// As written in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().map_or("", |facts| facts.name)
    }

    /// The name of its models in the catalogue; none for servers that run whatever their owner likes.
    #[must_use]
    pub fn catalogue(self) -> Option<&'static str> {
        self.facts()?.catalogue
    }

    /// Its public address.
    #[must_use]
    pub fn default_base_url(self) -> Option<&'static str> {
        self.facts()?.base_url
    }

    /// The environment variable in which its key usually is.
    #[must_use]
    pub fn usual_key_env(self) -> Option<&'static str> {
        self.facts()?.key_env
    }

    fn named(name: &str) -> Option<&'static KindFacts> {
        KINDS.iter().find(|facts| facts.name == name)
    }

    fn facts(self) -> Option<&'static KindFacts> {
        KINDS.iter().find(|facts| facts.kind == self)
    }
}

/// Where a key is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Nowhere: the server wants none.
    None,
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
    /// What a program prints.
    Command(Vec<String>),
    /// Where Google's own programs look: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, the login of `gcloud`, else
    /// the machine's own identity (none here).
    Google,
    /// Where Amazon's own programs look first: `AWS_BEARER_TOKEN_BEDROCK`, else `AWS_ACCESS_KEY_ID` and its companions.
    Aws,
}

/// A key that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The variable is not set, or empty.
    #[error("environment variable {0} is not set; export it, or name another source of the key")]
    Env(String),
    /// The variable is set to bytes that are no text.
    #[error("environment variable {0} holds bytes that are no UTF-8 text; export it anew")]
    NotText(String),
    /// No header can carry it.
    #[error("the key {place} has a line end, or another character that no header carries, in it; give the key alone")]
    Unsendable {
        /// Where it was found.
        place: String,
    },
    /// The file cannot be read.
    #[error("cannot read the key from {}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// The program failed.
    #[error("`{program}` gave no key: {cause}")]
    Command {
        /// Which.
        program: String,
        /// How it failed; not what it printed.
        cause: String,
    },
}

impl KeySource {
    /// Gets the key. Reads a file or runs a program where the source says so; none when no key is wanted.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn resolve(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, KeyError> {
        match self {
            Self::None => Ok(None),
            Self::Env(name) => {
                let key = env(name).map(|key| Secret::new(&key)).filter(|key| !key.expose().is_empty());
                match key {
                    Some(key) if key.expose().contains('\u{fffd}') => Err(KeyError::NotText(name.clone())),
                    key => key.map(Some).ok_or_else(|| KeyError::Env(name.clone())),
                }
            }
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) if text.trim().is_empty() => {
                    Err(KeyError::File { path: path.clone(), cause: "it is empty".into() })
                }
                Ok(text) => Ok(Some(Secret::new(&text))),
                Err(error) => Err(KeyError::File { path: path.clone(), cause: error.to_string() }),
            },
            Self::Command(command) => run(command).map(Some),
            Self::Google => google(env),
            Self::Aws => aws(env).map(Some),
        }
    }
}

fn google(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, KeyError> {
    if let Some(named) = env("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty()) {
        return KeySource::File(PathBuf::from(named)).resolve(env);
    }
    let login = env("HOME").map(|home| Path::new(&home).join(".config/gcloud/application_default_credentials.json"));
    match login.filter(|path| path.exists()) {
        Some(path) => KeySource::File(path).resolve(env),
        None => Ok(None),
    }
}

/// A key of Bedrock's own, or what `aws configure export-credentials` would print.
fn aws(env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, KeyError> {
    let given = |name: &str| env(name).filter(|text| !text.is_empty());
    if let Some(token) = given("AWS_BEARER_TOKEN_BEDROCK") {
        return Ok(Secret::new(&token));
    }
    let wanted = |name: &str| given(name).ok_or_else(|| KeyError::Env(name.to_owned()));
    let (id, secret) = (wanted("AWS_ACCESS_KEY_ID")?, wanted("AWS_SECRET_ACCESS_KEY")?);
    let printed = serde_json::json!({"Version": 1, "AccessKeyId": id, "SecretAccessKey": secret,
        "SessionToken": given("AWS_SESSION_TOKEN")});
    Ok(Secret::new(&printed.to_string()))
}

fn run(command: &[String]) -> Result<Secret, KeyError> {
    let program = command.first().cloned().unwrap_or_default();
    let fail = |cause: String| KeyError::Command { program: program.clone(), cause };
    let output = std::process::Command::new(&program)
        .args(command.iter().skip(1))
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(output.status.to_string()));
    }
    let text = std::str::from_utf8(&output.stdout).map_err(|_| fail("it printed something that is no text".into()))?;
    if text.trim().is_empty() { Err(fail("it printed nothing".into())) } else { Ok(Secret::new(text)) }
}

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
    pub max_connections: u32,
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
        let sent = key.expose().bytes().all(|byte| (0x20..0x7f).contains(&byte));
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
        max_connections: section.int32("max_connections"),
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

/// Project and region of a cloud; asked for where they belong, refused where they do not.
fn place(section: &Section<'_, '_>, kind: Option<&KindFacts>) -> (Option<String>, Option<String>) {
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

fn check_cloud(section: &Section<'_, '_>, kind: Option<&KindFacts>, format: Option<Format>) {
    let spoken: &[Format] = match kind.map(|facts| facts.kind) {
        Some(ProviderKind::Vertex) => &[Format::Gemini, Format::AnthropicMessages, Format::OpenaiChat],
        Some(ProviderKind::Bedrock) => &[Format::AnthropicMessages, Format::OpenaiChat],
        _ => return,
    };
    if format.is_some_and(|format| !spoken.contains(&format)) {
        let names: Vec<&str> = spoken.iter().map(|format| format.name()).collect();
        let message = format!("`format` in {}: this kind speaks {}", section.title, names.join(", "));
        section.problem("format", message);
    }
}

fn format_named(name: &str) -> Option<Format> {
    Format::named(name)
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

fn base_url(
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

fn key(section: &Section<'_, '_>, kind: Option<&KindFacts>, base: &Path) -> KeySource {
    let given: Vec<&str> =
        ["key_env", "key_file", "key_command"].into_iter().filter(|name| section.has(name)).collect();
    if let [_, second, ..] = given[..] {
        section.problem(second, format!("{} names {} sources of its key; keep one", section.title, given.len()));
    }
    match given.first() {
        Some(&"key_env") => section.text("key_env").and_then(|name| variable(section, "key_env", name.text)),
        Some(&"key_file") => section.text("key_file").map(|path| KeySource::File(base.join(path.text))),
        Some(&"key_command") => command(section),
        _ if kind.is_some_and(|kind| kind.kind == ProviderKind::Vertex) => Some(KeySource::Google),
        _ if kind.is_some_and(|kind| kind.kind == ProviderKind::Bedrock) => Some(KeySource::Aws),
        _ => kind.and_then(|kind| kind.key_env).map(|name| {
            section.derived("key_env", quoted(name), Origin::Default);
            KeySource::Env(name.to_owned())
        }),
    }
    .unwrap_or(KeySource::None)
}

/// `env:NAME` or `file:PATH`: an address that is kept like a key.
pub(crate) fn named(section: &Section<'_, '_>, field: &str, base: &Path) -> KeySource {
    let Some(text) = section.text(field).map(|text| text.text) else { return KeySource::None };
    if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return KeySource::File(base.join(path));
    }
    if let Some(name) = text.strip_prefix("env:") {
        return variable(section, field, name.to_owned()).unwrap_or(KeySource::None);
    }
    let message = "takes `env:NAME` or `file:PATH`, which say where the address is found, not the address itself";
    section.problem(field, format!("`{field}` in {} {message}", section.title));
    KeySource::None
}

/// The name of an environment variable that holds a secret, where it is one.
fn variable(section: &Section<'_, '_>, field: &str, name: String) -> Option<KeySource> {
    let good = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !looks_secret(&name);
    if good {
        return Some(KeySource::Env(name));
    }
    let message = "takes the name of an environment variable, such as OPENAI_API_KEY, not the key itself";
    section.problem(field, format!("`{field}` in {} {message}", section.title));
    None
}

fn command(section: &Section<'_, '_>) -> Option<KeySource> {
    let words: Vec<String> = section.opt_texts("key_command")?.into_iter().map(|word| word.text).collect();
    if words.is_empty() {
        section
            .problem("key_command", format!("`key_command` in {} is empty; give program and arguments", section.title));
        return None;
    }
    Some(KeySource::Command(words))
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

/// What to say to somebody who writes a key into the config. None when the field is not that.
pub(crate) fn literal_key_message(spec: &'static Spec, field: &str) -> Option<String> {
    let words = ["key", "api_key", "apikey", "api-key", "token", "secret", "password", "authorization", "bearer"];
    if !std::ptr::eq(spec, &schema::PROVIDER) || !words.contains(&field.to_ascii_lowercase().as_str()) {
        return None;
    }
    Some(format!(
        "`{field}`: a key does not belong in this file; put it into an environment variable and write \
         key_env = \"NAME_OF_IT\", or use key_file or key_command"
    ))
}
