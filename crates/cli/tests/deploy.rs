//! What `docs/deploy` says to the machines that run it, held against the command and the config: flags, paths, ports, names
//! from the environment, metrics, and how long a stop may take.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

mod common;

use common::{LADDER, command, folder, tierway};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use tierway_config::Config;

const DOCKERFILE: &str = include_str!("../../../docs/deploy/Dockerfile");
const COMPOSE: &str = include_str!("../../../docs/deploy/compose.yaml");
const KUBERNETES: &str = include_str!("../../../docs/deploy/kubernetes.yaml");
const UNIT: &str = include_str!("../../../docs/deploy/tierway.service");
const BALANCER: &str = include_str!("../../../docs/deploy/nginx.conf");
const CONFIG: &str = include_str!("../../../docs/deploy/tierway.toml");
/// Last records of a stop, docs/deploy/README.md.
const LAST_RECORDS_S: u64 = 10;

/// What stands behind each `name` on its line, up to one of `ends`.
fn values<'t>(text: &'t str, name: &str, ends: &[char]) -> Vec<&'t str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let behind = lines.filter_map(|line| line.split_once(name).map(|(_, behind)| behind.trim_start()));
    behind.map(|behind| behind.split(ends).next().unwrap().trim()).collect()
}

/// The only value.
#[track_caller]
fn value<'t>(text: &'t str, name: &str, ends: &[char]) -> &'t str {
    let all = values(text, name, ends);
    assert_eq!(all.len(), 1, "{name}: {all:?}");
    all[0]
}

#[track_caller]
fn seconds(text: &str, name: &str) -> u64 {
    value(text, name, &[' ', '}', 's']).parse().unwrap()
}

fn config() -> Config {
    tierway_config::parse(CONFIG, "tierway.toml", &|name| (!name.starts_with("TIERWAY_L")).then(|| "set".into()))
        .unwrap()
}

#[test]
fn each_starts_it_with_flags_that_it_has_on_the_config_that_is_mounted() {
    let dir = folder(LADDER);
    let bracketed = |text: &str| text.replace(['"', '[', ']', ','], " ");
    let words = |line: &str| bracketed(line).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mounted = value(COMPOSE, "- ./tierway.toml:", &[':']);
    let kubernetes = format!("{}/tierway.toml", value(KUBERNETES, "mountPath:", &[',']));
    for (what, line, path) in [
        ("Dockerfile", value(DOCKERFILE, "CMD", &['\n']), mounted),
        ("kubernetes.yaml", value(KUBERNETES, "args:", &['\n']), kubernetes.as_str()),
        ("tierway.service", value(UNIT, "ExecStart=/usr/local/bin/tierway", &['\n']), "/etc/tierway/tierway.toml"),
    ] {
        let mut words = words(line);
        assert_eq!(words.pop().unwrap(), path, "{what}");
        // The same words on a config that is not there: understood, and blamed on the config alone.
        words.push("none.toml".into());
        let (code, _, said) = tierway(dir.path(), &words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(code == 1 && said.contains("none.toml: cannot read the config"), "{what}: {code} {said}");
    }
}

#[test]
fn every_name_that_the_config_reads_is_given_and_every_one_that_is_given_is_read() {
    let named: BTreeSet<_> =
        values(CONFIG, "\"env:", &['"']).into_iter().chain(values(CONFIG, "key_env = \"", &['"'])).collect();
    let service = COMPOSE.split("environment:").nth(1).unwrap().split("volumes:").next().unwrap();
    let given: BTreeSet<_> = service.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    assert_eq!(named, given, "compose.yaml");
    let secret = KUBERNETES.lines().find(|line| line.contains("create secret")).unwrap();
    let given: BTreeSet<_> =
        secret.split("--from-literal=").skip(1).map(|word| word.split('=').next().unwrap()).collect();
    let missing: Vec<_> = named.difference(&given).collect();
    assert!(missing.is_empty(), "kubernetes.yaml: the secret has no {missing:?}");
    let known = ["TIERWAY_LEDGER", "TIERWAY_LISTEN", "TIERWAY_CONFIG"];
    assert!(values(UNIT, "Environment=", &['=']).iter().all(|name| known.contains(name)), "tierway.service");
}

#[test]
fn every_port_is_the_one_that_it_listens_on() {
    let port = config().server.listen.port().to_string();
    let of = |text: &'static str, name: &str| value(text, name, &[' ', '"', '\n', ';', '}', ']']);
    for (what, got) in [
        ("EXPOSE", of(DOCKERFILE, "EXPOSE")),
        ("expose", of(COMPOSE, "expose: [\"")),
        ("containerPort", of(KUBERNETES, "containerPort:")),
        ("prometheus.io/port", of(KUBERNETES, "prometheus.io/port: \"")),
        ("nginx server", of(BALANCER, "server tierway:")),
    ] {
        assert_eq!(got, port, "{what}");
    }
}

#[test]
fn a_stop_gets_the_time_that_it_may_take() {
    let needs = u64::from(config().server.grace_seconds) + LAST_RECORDS_S;
    let pause = seconds(KUBERNETES, "sleep: { seconds:");
    for (what, given, needs) in [
        ("stop_grace_period", seconds(COMPOSE, "stop_grace_period:"), needs),
        ("terminationGracePeriodSeconds", seconds(KUBERNETES, "terminationGracePeriodSeconds:"), needs + pause),
        ("TimeoutStopSec", seconds(UNIT, "TimeoutStopSec="), needs),
    ] {
        assert!(given >= needs, "{what}: {given} of {needs} seconds");
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_is_probed_and_scaled_on_is_there() {
    let dir = folder(LADDER);
    let mut serving = command(dir.path(), &["serve", "--workers", "1"]);
    let mut serving = serving.env("TIERWAY_LISTEN", "127.0.0.1:0").stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = said.into_iter().find(|line| line.contains("listens on http://")).unwrap();
    let address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    let mut paths = values(KUBERNETES, "httpGet: { path:", &[',']);
    paths.extend(values(KUBERNETES, "prometheus.io/path:", &['\n']));
    assert_eq!(paths.len(), 4, "{paths:?}");
    let answers: Vec<_> = paths.iter().map(|path| get(address, path)).collect();
    let metric = value(KUBERNETES, "metric: { name:", &[' ', '}']);
    let metrics = get(address, "/metrics");
    serving.kill().unwrap();
    serving.wait().unwrap();
    for (path, answer) in paths.iter().zip(&answers) {
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert!(metrics.contains(&format!("\n{metric} ")), "{metric}");
}
