//! Killed at any moment, the ledger opens, is whole, and with `durability = "strict"` knows every answer that a client got.

use crate::common::good;
use crate::load::{Load, Manner, Outcome};
use crate::process::{Process, config};
use crate::setting;
use std::path::Path;
use std::time::{Duration, Instant};
use tierway_ledger::Reader;
use tierway_testkit::{Fault, Plan, Upstream};

const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_the_ledger_is_whole_and_strict_knows_every_answer() {
    rounds("strict", setting("TIERWAY_KILLS", 5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_a_relaxed_ledger_is_whole() {
    rounds("relaxed", setting("TIERWAY_KILLS", 5) / 2).await;
}

async fn rounds(durability: &'static str, kills: u64) {
    let [first, second] = [Upstream::start().await.unwrap(), Upstream::start().await.unwrap()];
    // Some answers break, so that rows have several attempts.
    first.plan("m", Plan::cycle([Fault::None, Fault::None, Fault::Status { status: 500 }, Fault::Cut { after: 3 }]));
    let urls = [first.url(), second.url()];
    let killing = tokio::task::spawn_blocking(move || {
        let dir = tempfile::tempdir().unwrap();
        let ledger = format!("[ledger]\npath = \"k.db\"\ndurability = \"{durability}\"\n");
        let config = config(dir.path(), [&urls[0], &urls[1]], "127.0.0.1:0", &ledger);
        let (mut answered, mut missing) = (0, 0);
        for round in 0..kills {
            let process = Process::start(&config);
            let load = Load::start(process.address, CLIENTS, &[Manner::Stream, Manner::Whole, Manner::Leaves]);
            load.wait_until_it_began();
            // The moment differs from round to round: 100 to 700 ms into the load.
            std::thread::sleep(Duration::from_millis(100 + round * 97 % 601));
            process.kill();
            let outcomes = load.stop();
            let (here, gone) = examine(dir.path(), &outcomes);
            answered += here;
            missing += gone;
        }
        audited(dir.path());
        println!(
            "{durability}: {kills} kills, {answered} replies, {missing} of them without a row; every check of the file passed"
        );
        assert!(answered > 0 || kills == 0, "nothing was answered: nothing was tested");
        assert!(missing == 0 || durability == "relaxed", "{missing} of {answered} answers have no row");
    });
    killing.await.unwrap();
}

/// Checks the file; gives how many were answered, and how many of these have no row.
fn examine(dir: &Path, outcomes: &[Outcome]) -> (usize, usize) {
    let file = dir.join("k.db");
    // First by the database's own means, as the process left it: the write-ahead log is replayed here.
    let database = rusqlite::Connection::open(&file).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    drop(database);
    let mut reader = Reader::open(file.as_path()).unwrap();
    let answered: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Answered(id) | Outcome::Error(id) => Some(id),
            _ => None,
        })
        .collect();
    let missing = answered.iter().filter(|id| reader.call(id.parse().unwrap()).unwrap().is_none()).count();
    (answered.len(), missing)
}

/// The sums of reports agree with the rows.
fn audited(dir: &Path) {
    let began = Instant::now();
    good(dir, &["audit", "--db", "k.db"]);
    println!("audited in {} ms", began.elapsed().as_millis());
}
