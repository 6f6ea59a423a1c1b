//! The weekly report as its readers get it: on the command line, in a folder, in a chat.
#![allow(missing_docs)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, may fail loudly")]

mod common;

use common::{command, demo_ladder, demo_log, good, tierway};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The demo's log with its config beside it, and these lines in it.
fn log(more: &str) -> tempfile::TempDir {
    let (folder, demo) = (demo_log(), demo_ladder());
    let text = format!("{demo}\n[ledger]\npath = \"log.db\"\n[server]\nlisten = \"127.0.0.1:0\"\n{more}");
    std::fs::write(folder.path().join("tierway.toml"), text).unwrap();
    folder
}

#[test]
fn the_week_says_what_to_do_and_every_advice_is_a_config_that_can_be_tried() {
    let folder = log("");
    let week: Value = serde_json::from_str(&good(folder.path(), &["report", "--weekly", "--format", "json"])).unwrap();
    assert_eq!(week["report"]["totals"]["calls"], 200);
    assert_eq!(week["report"].get("saved_between"), Some(&Value::Null), "no shadows, no interval");
    let misroutes = week["misroutes"].as_array().unwrap();
    assert!(!misroutes.is_empty());
    let lost: Vec<_> = misroutes.iter().map(|one| one["lost_usd"].as_f64().unwrap()).collect();
    assert!(lost.is_sorted_by(|a, b| a >= b) && lost[0] > 0.0, "{lost:?}");
    let id = misroutes[0]["examples"][0].as_str().unwrap();
    assert!(good(folder.path(), &["explain", id]).contains(id));
    let advice = misroutes.iter().map(|one| one["advice"]["config"].as_str().unwrap());
    let routing = advice.clone().find(|config| config.starts_with("[routing]"));
    let config = std::fs::read_to_string(folder.path().join("tierway.toml")).unwrap();
    let changed = config.replace("[routing]", routing.unwrap_or_else(|| panic!("{:?}", advice.collect::<Vec<_>>())));
    std::fs::write(folder.path().join("new.toml"), changed).unwrap();
    let tried = good(folder.path(), &["backtest", "--since", "7d", "--policy", "new.toml"]);
    assert!(tried.contains("200 requests read"), "{tried}");

    let text = good(folder.path(), &["report", "--weekly"]);
    let compared = format!("by {} comparisons", week["report"]["tiers"][0]["calls"]);
    for wanted in ["**Saved: ", "**Quality kept: ", &compared, "**Always cheapest: ", "## What to do", "## By task"] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(good(folder.path(), &["report", "--weekly", "--format", "html"]).starts_with("<!doctype html>"));
    let (_, _, talk) = tierway(folder.path(), &["report", "--weekly", "--post"]);
    assert!(talk.contains("no webhook is configured"), "{talk}");
}

/// Takes one request and answers it.
fn take(door: &TcpListener) -> String {
    let (mut stream, _) = door.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.unwrap().parse().unwrap() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                return text;
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..count]);
    }
}

#[test]
fn serve_makes_the_week_that_is_due_and_tells_the_chat() {
    let chat = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = log("[report]\nweekly = \"monday 08:00\"\nfolder = \"weeks\"\nwebhook = \"env:WEEK_HOOK\"\n");
    let hook = format!("http://{}/services/T0/secret", chat.local_addr().unwrap());
    let mut serving = command(folder.path(), &["serve", "--workers", "1"])
        .env("WEEK_HOOK", hook)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let posted = take(&chat);
    assert!(posted.starts_with("POST /services/T0/secret HTTP/1.1\r\n"), "{posted}");
    assert!(posted.contains("\"blocks\":["), "{posted}");
    let names = || -> Vec<String> {
        let Ok(files) = std::fs::read_dir(folder.path().join("weeks")) else { return Vec::new() };
        files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let begun = Instant::now();
    while names().len() < 3 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let (mut names, mut endings) = (names(), vec![]);
    names.sort();
    names.iter().for_each(|name| endings.push(name.rsplit_once('.').unwrap().1));
    assert_eq!(endings, ["html", "json", "md"], "{names:?}");
    serving.kill().unwrap();
    serving.wait().unwrap();
}

#[test]
fn a_first_start_has_no_week_to_tell() {
    let chat = TcpListener::bind("127.0.0.1:0").unwrap();
    chat.set_nonblocking(true).unwrap();
    let report = "[report]\nweekly = \"monday 08:00\"\nfolder = \"weeks\"\nwebhook = \"env:WEEK_HOOK\"\n";
    let folder = common::folder(&format!("[server]\nlisten = \"127.0.0.1:0\"\n{report}{}", common::LADDER));
    let mut serving = command(folder.path(), &["serve", "--workers", "1"])
        .env("WEEK_HOOK", format!("http://{}/", chat.local_addr().unwrap()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
    let made = said.any(|line| line.contains("the weekly report was made"));
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(made && std::fs::read_dir(folder.path().join("weeks")).unwrap().count() == 3);
    assert_eq!(chat.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "an empty week was posted");
}
