//! Three processes on one PostgreSQL, under load: one of them is killed and comes back, then PostgreSQL is.

use crate::common::good;
use crate::load::{Load, Manner, Outcome};
use crate::process::{Process, config};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tierway_decide::{RequestId, Usd};
use tierway_ledger::{CLAIMED, Reader, Span};
use tierway_testkit::postgres::Postgres;
use tierway_testkit::{Plan, Upstream};

const CLIENTS: usize = 3;
const MANNERS: &[Manner] = &[Manner::Whole, Manner::Stream];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_lose_nothing_when_one_of_them_and_then_postgres_is_killed() {
    let [first, second] = [Upstream::start().await.unwrap(), Upstream::start().await.unwrap()];
    first.plan("m", Plan::cycle([tierway_testkit::Fault::None]));
    let urls = [first.url(), second.url()];
    tokio::task::spawn_blocking(move || killing([&urls[0], &urls[1]])).await.unwrap();
}

fn killing(providers: [&str; 2]) {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.database().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ledger-url"), &url).unwrap();
    let ledger = "[ledger]\nurl = \"file:ledger-url\"\ndurability = \"strict\"\n";
    let config = config(dir.path(), providers, "127.0.0.1:0", ledger);
    let start = || {
        let process = Process::start(&config);
        let load = Load::start(process.address, CLIENTS, MANNERS);
        (process, load)
    };
    let pause = || std::thread::sleep(Duration::from_millis(1_200));

    let (staying, victim, other) = (start(), start(), start());
    pause();
    victim.0.kill();
    let of_victim = victim.1.stop();
    let successor = start();
    pause();
    postgres.kill();
    std::thread::sleep(Duration::from_millis(700));
    postgres.restart().unwrap();
    pause();
    let mut answered = Vec::new();
    for (process, load) in [staying, other, successor] {
        let outcomes = load.stop();
        process.stop();
        answered.extend(outcomes.iter().map(|outcome| match outcome {
            Outcome::Answered(id) => id.clone(),
            failed => panic!("a replica that lived failed a client: {failed:?}"),
        }));
    }
    let known = of_victim.into_iter().filter_map(|outcome| match outcome {
        Outcome::Answered(id) => Some(id),
        _ => None,
    });
    answered.extend(known);
    examine(&url, &answered);
    audited(dir.path(), &config);
}

/// Every answer has its row, ids of each process are its own, and sums are those of the rows.
fn examine(url: &str, answered: &[String]) {
    let mut reader = Reader::open(url).unwrap();
    let (mut rows, mut paid) = (BTreeSet::new(), 0);
    let audit = reader
        .audit(Span::ALL, |call| {
            rows.insert(call.id);
            paid += call.paid.map_or(0, Usd::picos);
        })
        .unwrap();
    assert!(audit.is_clean(), "{:#?}", audit.problems);
    let missing = answered.iter().filter(|id| !rows.contains(&id.parse::<RequestId>().unwrap())).count();
    assert_eq!(missing, 0, "of {} answers", answered.len());
    let totals = reader.summary(Span::ALL).unwrap().totals;
    assert_eq!((totals.calls, totals.savings.paid.picos()), (rows.len() as u64, paid));
    let processes: BTreeSet<i64> = rows.iter().map(|id| id.as_i64() >> 12 & 0x3ff).collect();
    assert!(processes.len() == 4 && processes.iter().all(|number| *number < i64::from(CLAIMED)), "{processes:?}");
    println!("{} answers, {} rows, none missing", answered.len(), rows.len());
}

fn audited(dir: &Path, config: &Path) {
    good(dir, &["audit", "--config", config.to_str().unwrap()]);
}
