//! Targets of one tier that are told apart by verdicts.

use crate::stage::{CONFIG, Stage};
use crate::{EASY, OPEN};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tierway_decide::equals::Duel;
use tierway_decide::{CallRecord, RejectWhy, Rejected, TargetId};
use tierway_testkit::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_equals_the_one_that_verdicts_speak_for_goes_first_and_a_record_says_why() {
    let both = "{ provider = \"fake\", model = \"a-model\" }, { provider = \"fake\", model = \"b-model\" }";
    let config = CONFIG.replace("{ provider = \"fake\", model = \"small-model\" }", both);
    let upstream = Arc::new(Upstream::start().await.unwrap());
    let learned = "[dispatch]\nbalance = \"learned\"\nexplore_percent = 20\n";
    let stage = Stage::of(upstream, &format!("{config}{OPEN}{learned}"));
    let prompt = format!("{EASY} judge:b-model");
    for _ in 0..16 {
        stage.chat(&prompt).await;
    }
    stage.quality(16).await;
    let duels = |call: &CallRecord| -> Vec<(Duel, TargetId, u64)> {
        let duel = |rejected: &Rejected| match rejected.why {
            RejectWhy::Outscored(duel) => Some((duel, rejected.target.unwrap(), call.id.as_i64().cast_unsigned())),
            _ => None,
        };
        call.rejected.iter().filter_map(duel).collect()
    };
    let started = Instant::now();
    loop {
        stage.chat(&prompt).await;
        let calls = stage.records();
        if calls.iter().flat_map(duels).any(|(duel, ..)| duel.own.tally != duel.first.tally) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no decision that knows of the verdicts");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let before = stage.records().len();
    for _ in 0..40 {
        stage.chat(&prompt).await;
    }
    let calls = stage.records();
    let later: Vec<&CallRecord> = calls[before..].iter().filter(|call| call.reason.summary() == "predicted").collect();
    let better = later.iter().filter(|call| call.served_model == "b-model").count();
    assert!(better >= 30 && later.len() == 40, "{better} of {}", later.len());
    let all: Vec<_> = calls.iter().flat_map(duels).collect();
    assert!(all.iter().all(|(duel, target, seed)| duel.comes_out_again(target.index, *seed)), "{all:?}");
    let drawn = all.iter().filter(|(duel, ..)| duel.drawn).count();
    assert!(drawn > 0 && drawn < all.len() / 2, "{drawn} of {}", all.len());
}
