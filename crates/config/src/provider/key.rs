//! Where a key is found, and how it is had. Configs name keys and never hold them.

use super::ProviderKind;
use super::kind::KindFacts;
use crate::problem::{is_pasted_key, looks_secret};
use crate::reader::{Origin, Section, quoted};
use crate::schema::{self, Spec};
use crate::secret::Secret;
use std::path::{Path, PathBuf};

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
    #[error("environment variable {0} is not set; export it, or name another source")]
    Env(String),
    /// The variable is set to bytes that are no text.
    #[error("environment variable {0} holds bytes that are no UTF-8 text; export it anew")]
    NotText(String),
    /// It is more than a key, or none that a header can carry.
    #[error(
        "the key {place} has a line end, a blank, or another character that is in no key, in it; give the key alone"
    )]
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
    /// As [`Self::resolve`], for who only looks whether a key is to be had: a command is not run, which may cost or ask
    /// somebody something; its program has to be there.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn look(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Secret>, KeyError> {
        match self {
            Self::Command(command) => is_there(command, env).map(|()| None),
            source => source.resolve(env),
        }
    }

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

/// Where programs are when nobody says it: what the C library takes.
const USUAL_PATH: &str = "/bin:/usr/bin";

fn is_there(command: &[String], env: &dyn Fn(&str) -> Option<String>) -> Result<(), KeyError> {
    let program = command.first().cloned().unwrap_or_default();
    let folders = env("PATH").unwrap_or_else(|| USUAL_PATH.to_owned());
    let found = match program.contains(std::path::is_separator) {
        true => is_program(Path::new(&program)),
        false => std::env::split_paths(&folders).any(|folder| is_program(&folder.join(&program))),
    };
    let cause = "there is no such program".to_owned();
    if found { Ok(()) } else { Err(KeyError::Command { program, cause }) }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file() || path.with_extension("exe").is_file()
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

pub(super) fn key(section: &Section<'_, '_>, kind: Option<&KindFacts>, base: &Path) -> KeySource {
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
    if words.iter().any(|word| is_pasted_key(word)) {
        let message = "holds a key itself, which does not belong in this file; name the program that prints it";
        section.problem("key_command", format!("`key_command` in {} {message}", section.title));
        return None;
    }
    Some(KeySource::Command(words))
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
