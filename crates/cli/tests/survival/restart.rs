//! A new process takes over from an old one on the same port, and no client notices.

use crate::load::{Load, Manner, Outcome};
use crate::process::{Process, config};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tierway_testkit::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_refuses_and_breaks_no_request() {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    let restarting = tokio::task::spawn_blocking(move || {
        let dir = tempfile::tempdir().unwrap();
        let ledger = "[ledger]\npath = \"r.db\"\n";
        let old = Process::start(&config(dir.path(), [&url, &url], "127.0.0.1:0", ledger));
        let address = old.address;
        let config = config(dir.path(), [&url, &url], &address.to_string(), ledger);
        let load = Load::start(address, 8, &[Manner::Whole, Manner::Stream]);
        let mut serving = old;
        for _ in 0..3 {
            let began = Instant::now();
            let next = Process::start(&config);
            std::thread::sleep(Duration::from_millis(200));
            serving.stop();
            // Ready again: the file is its own now, as who rolls on has to see first.
            while !ready(address) {
                std::thread::sleep(Duration::from_millis(20));
            }
            println!("handed over in {} ms", began.elapsed().as_millis());
            serving = next;
        }
        std::thread::sleep(Duration::from_millis(200));
        let outcomes = load.stop();
        serving.stop();
        let bad: Vec<_> = outcomes.iter().filter(|outcome| !matches!(outcome, Outcome::Answered(_))).collect();
        println!("{} requests over 3 restarts, {} not answered", outcomes.len(), bad.len());
        assert!(bad.is_empty(), "{bad:?}");
        let rows = super::soak::rows(&dir.path().join("r.db"));
        assert_eq!(rows.values().sum::<u64>() as usize, outcomes.len(), "{rows:?}");
    });
    restarting.await.unwrap();
}

fn ready(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.starts_with("HTTP/1.1 200")
}

#[test]
fn a_config_that_changed_is_read_again_and_a_bad_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let here = "http://127.0.0.1:9";
    let ledger = "[ledger]\npath = \"c.db\"\n";
    let process = Process::start(&config(dir.path(), [here, here], "127.0.0.1:0", ledger));
    config(dir.path(), [here, here], "127.0.0.1:0", "[rooting]\n");
    process.hear("the old config stays in force");
    config(dir.path(), [here, here], "127.0.0.1:0", &format!("{ledger}[dispatch]\nmax_attempts = 2\n"));
    process.hear("is in force");
    config(dir.path(), [here, here], "127.0.0.1:0", "[ledger]\npath = \"d.db\"\n");
    process.hear("is in force, but what it changes in [ledger] takes a restart");
    // Two on one ledger: the second serves, and says whose file it is.
    let second = Process::start(&config(dir.path(), [here, here], "127.0.0.1:0", ledger));
    assert!(!ready(second.address), "a router that cannot record calls itself ready");
    process.stop();
}

/// What a new config needs may be there only a moment later: nobody has to change the config again for it.
#[test]
fn a_config_that_could_not_be_taken_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let here = "http://127.0.0.1:9";
    let file = config(dir.path(), [here, here], "127.0.0.1:0", "[ledger]\npath = \"c.db\"\n");
    let process = Process::start(&file);
    let key = dir.path().join("key");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replacen("first_byte_ms", &format!("key_file = \"{}\"\nfirst_byte_ms", key.display()), 1);
    std::fs::write(&file, text).unwrap();
    process.hear("the old config stays in force");
    std::fs::write(&key, "sk-late").unwrap();
    process.hear("is in force");
    process.stop();
}
