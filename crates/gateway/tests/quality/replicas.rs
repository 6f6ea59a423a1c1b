//! Several processes on one PostgreSQL: all take samples, one judges, and what it finds holds for all.

use crate::stage::{KEYS, Stage};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierway_testkit::Upstream;
use tierway_testkit::postgres::Postgres;
use tokio::task::block_in_place;

/// What replicas on this database have in common.
fn common(folder: &std::path::Path, url: &str) -> String {
    let file = folder.join("url");
    std::fs::write(&file, url).unwrap();
    let hash = |key: &str| Sha256::digest(key).iter().fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"));
    format!(
        "[[keys]]\nname = \"app\"\nallow_sampling = true\nhash = \"sha256:{}\"\n[[keys]]\nname = \"boss\"\nscope = \"admin\"\n\
         hash = \"sha256:{}\"\n[ledger]\nurl = \"file:{}\"\n",
        hash(KEYS[0]),
        hash(KEYS[1]),
        file.display()
    )
}

async fn leads(stage: &Stage) {
    let (started, leadership) = (Instant::now(), stage.gateway.as_ref().unwrap().leadership());
    while !leadership.leads() {
        assert!(started.elapsed() < Duration::from_secs(30), "nobody leads");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_judges_what_all_took_and_another_goes_on() {
    let postgres = block_in_place(Postgres::start).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let common = common(folder.path(), &postgres.database().unwrap());
    let upstream = Arc::new(Upstream::start().await.unwrap());
    let mut first = Stage::before(upstream.clone(), &common);
    leads(&first).await;
    let second = Stage::before(upstream, &common);

    // All of it comes to the one that does not judge; asked of either, the answer is the same.
    for turn in 1..=60 {
        second.chat(&format!("Translate \"good morning\" into French, number {turn} judge:large-model")).await;
    }
    let found = first.quality(60).await;
    assert_eq!(found["samples"]["judged"], json!(60), "{found}");
    let held = |states: &[(String, String)]| states.len() == 1 && states[0].1 == "held";
    first.states(held).await;
    assert_eq!(second.quality(60).await["quality"]["cells"], first.quality(60).await["quality"]["cells"]);
    // Each verdict and each change was written once.
    let (changes, alarms) = second.told().await;
    assert_eq!((changes, alarms), (vec![("evidence".into(), "held".into())], 2));

    // The other one holds it, too, and goes on when the first is gone.
    let started = Instant::now();
    loop {
        second.chat("Translate \"good evening\" into French judge:small-model").await;
        let last = second.records().into_iter().rev().find(|call| call.key == "app").unwrap();
        if last.reason.summary() == "quality_held" {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", last.reason);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    first.stop();
    leads(&second).await;
    let before = second.get("/api/v1/quality").await["samples"]["judged"].as_u64().unwrap();
    second.chat("Translate \"good night\" into French judge:small-model").await;
    let after = second.quality(before + 1).await;
    assert_eq!((&after["samples"]["waiting"], &after["states"][0]["state"]), (&json!(0), &json!("held")), "{after}");
    assert_eq!(second.told().await.0.len(), 1, "the new leader found what the old one had written");
}
