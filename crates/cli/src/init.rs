//! `tierway init`: a first config for the keys at hand.

use crate::exit::{Done, Failed, say};
use crate::output::{Inputs, Target};
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tierway_config::init::{Found, Maker, OLLAMA, summary, write};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the config goes; `-` is stdout
    #[arg(long, short, value_name = "FILE", default_value = "tierway.toml")]
    output: PathBuf,
    /// Replace a file that is there already
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let ollama_at = host(&tierway_config::environment);
    let ollama = ollama(ollama_at.unwrap_or(OLLAMA)).unwrap_or_default();
    let found = Found { keys: keys(&tierway_config::environment), ollama, ollama_at };
    let text = write(&found);
    say(format_args!("tierway: {}", summary(&found)));
    if args.output == Path::new("-") {
        io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(());
    }
    store(&args.output, &text, args.force)?;
    let file = args.output.display();
    say(format_args!(
        "tierway: wrote {file}; next: `tierway check --config {file}`, then `tierway serve --config {file}`"
    ));
    Ok(())
}

/// Providers with a key in the environment.
fn keys(env: &dyn Fn(&str) -> Option<String>) -> Vec<(Maker, String)> {
    let set = |name: &&&str| env(name).is_some_and(|key| !key.trim().is_empty());
    let key = |maker: Maker| Some((maker, (*maker.key_variables().iter().find(set)?).to_owned()));
    Maker::ALL.into_iter().filter_map(key).collect()
}

/// Never overwrites by accident, not even a file that appears at the last moment; whole or not at all.
fn store(path: &Path, text: &str, force: bool) -> Done {
    if force {
        return Target::check(Some(path), &Inputs::default())?.write(text.as_bytes());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists if path.is_dir() => {
            Failed::told(format_args!("{} is a folder; name a file in it", path.display()))
        }
        io::ErrorKind::AlreadyExists => Failed::told(format_args!(
            "{} is there already; name another with --output, or replace it with --force",
            path.display()
        )),
        _ => Failed::told(format_args!("cannot write {}: {error}", path.display())),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a config would be in the way of the next try.
        let _ = std::fs::remove_file(path);
        Failed::told(format_args!("cannot write {}: {error}", path.display()))
    })
}

/// Longest wait for a local Ollama: it answers in a millisecond, or is not there.
const OLLAMA_WAIT: Duration = Duration::from_millis(300);

/// Where `OLLAMA_HOST` says that Ollama is, in any of the forms that Ollama itself takes; what it listens on is where it is asked
/// on this machine.
fn host(env: &dyn Fn(&str) -> Option<String>) -> Option<SocketAddr> {
    let text = env("OLLAMA_HOST")?;
    let text = text.trim().trim_start_matches("http://").trim_end_matches('/');
    let (name, port) = match text.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())) {
        Some((name, port)) => (name, port.parse().ok()?),
        None => (text, OLLAMA.port()),
    };
    let name = if name.is_empty() || name == "0.0.0.0" { "127.0.0.1" } else { name };
    (name, port).to_socket_addrs().ok()?.next()
}

/// Names of the models of an Ollama, smallest first; none when nothing sensible answers.
fn ollama(address: SocketAddr) -> Option<Vec<String>> {
    let mut stream = TcpStream::connect_timeout(&address, OLLAMA_WAIT).ok()?;
    stream.set_read_timeout(Some(OLLAMA_WAIT)).ok()?;
    write!(stream, "GET /api/tags HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if head.split_whitespace().nth(1) == Some("200") { models(body) } else { None }
}

fn models(body: &str) -> Option<Vec<String>> {
    let body: Value = serde_json::from_str(body).ok()?;
    let model = |entry: &Value| Some((entry.get("size")?.as_u64()?, entry.get("name")?.as_str()?.to_owned()));
    let mut models: Vec<(u64, String)> = body.get("models")?.as_array()?.iter().filter_map(model).collect();
    models.retain(|(_, name)| !name.contains("embed"));
    models.sort();
    Some(models.into_iter().map(|(_, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_with_a_key_counts_and_an_empty_one_does_not() {
        let env = |name: &str| match name {
            "OPENAI_API_KEY" => Some("  ".to_owned()),
            "GOOGLE_API_KEY" | "ANTHROPIC_API_KEY" => Some("k".to_owned()),
            _ => None,
        };
        let want = [(Maker::Anthropic, "ANTHROPIC_API_KEY".to_owned()), (Maker::Gemini, "GOOGLE_API_KEY".to_owned())];
        assert_eq!(keys(&env), want);
    }

    #[test]
    fn ollama_is_where_its_variable_says() {
        for (text, at) in [
            ("10.0.0.7", Some("10.0.0.7:11434")),
            ("http://127.0.0.1:9000/", Some("127.0.0.1:9000")),
            (":9000", Some("127.0.0.1:9000")),
            ("0.0.0.0", Some("127.0.0.1:11434")),
            ("0.0.0.0:99999", None),
        ] {
            let found = host(&|name| (name == "OLLAMA_HOST").then(|| text.to_owned()));
            assert_eq!(found.map(|at| at.to_string()).as_deref(), at, "{text}");
        }
        assert_eq!(host(&|_| None), None);
    }

    #[test]
    fn local_models_are_listed_by_size_without_embedders() {
        let body = r#"{"models":[{"name":"big:70b","size":40},{"name":"nomic-embed-text","size":1},{"name":"small","size":2}]}"#;
        assert_eq!(models(body).unwrap(), ["small", "big:70b"]);
        assert_eq!(models("<html>"), None);
    }
}
