//! What recording costs: the door, the writer for each row, and the packing of a row beside JSON.
//!
//! `cargo bench -p tierway-ledger`
#![expect(clippy::unwrap_used, reason = "a failed measurement is no measurement")]
#![expect(clippy::print_stdout, reason = "sizes for people")]

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use divan::Bencher;
use divan::counter::ItemsCount;
use std::time::Duration;
use synthetic::{HOUR_MS, MONDAY_MS, traffic};
use tierway_decide::CallRecord;
use tierway_ledger::{Ledger, Options};

const ROWS: u64 = 20_000;

fn calls() -> Vec<CallRecord> {
    traffic(1, ROWS, MONDAY_MS, HOUR_MS).collect()
}

fn main() {
    let json: usize = calls().iter().map(|call| serde_json::to_vec(call).unwrap().len()).sum();
    println!("JSON: {} bytes a row", json as u64 / ROWS);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = Ledger::open(&path, Options::default()).unwrap();
    calls().into_iter().for_each(|call| assert!(ledger.offer(call)));
    ledger.close().unwrap();
    println!("row:  {} bytes a row, rollups included", std::fs::metadata(&path).unwrap().len() / ROWS);
    divan::main();
}

/// What a request pays: cut, box, push.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn offer(bencher: Bencher) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { group_every: Duration::from_secs(3600), queue: 1 << 20, ..Options::default() };
    let ledger = Ledger::open(dir.path().join("ledger.db"), options).unwrap();
    bencher
        .counter(ItemsCount::new(1_000u64))
        .with_inputs(|| calls().into_iter().take(1_000).collect())
        .bench_values(|calls: Vec<CallRecord>| calls.into_iter().for_each(|call| assert!(ledger.offer(call))));
}

/// From the door to the disk.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn offer_and_write(bencher: Bencher) {
    let dir = tempfile::tempdir().unwrap();
    let mut at = 0;
    let inputs = || {
        at += 1;
        (Ledger::open(dir.path().join(format!("{at}.db")), Options::default()).unwrap(), calls())
    };
    bencher.counter(ItemsCount::new(ROWS)).with_inputs(inputs).bench_local_values(|(ledger, calls)| {
        calls.into_iter().for_each(|call| assert!(ledger.offer(call)));
        ledger.flush(Duration::from_secs(60)).unwrap();
        ledger
    });
}

/// What packing a row as JSON instead would cost.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn json(bencher: Bencher) {
    let calls = calls();
    bencher
        .counter(ItemsCount::new(ROWS))
        .bench_local(|| calls.iter().map(|call| serde_json::to_vec(call).unwrap().len()).sum::<usize>());
}
