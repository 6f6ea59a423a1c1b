//! What a client, the providers and the ledger see when a provider misbehaves: real sockets, one situation a function.
//!
//! Grades, as on a scorecard: *pass* the client got its whole answer, or the error that is really its own; *partial* it got
//! the answer with a flaw that is named; *safe* it got a clear error and nothing wrong; *fail* anything else. Run with
//! `cargo test -p tierway-gateway --test faults -- --nocapture` to see the card.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

mod situations;
mod stage;

use futures_util::future::BoxFuture;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    Pass,
    Partial,
    Safe,
    Fail,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Partial => "partial",
            Self::Safe => "safe",
            Self::Fail => "FAIL",
        })
    }
}

/// The grade, and what the card says beside it.
pub(crate) type Graded = Result<(Grade, String), String>;

/// Fails the situation with what was found.
#[macro_export]
macro_rules! want {
    ($what:expr, $($seen:tt)+) => {
        if !$what {
            return Err(format!("{} | {}", stringify!($what), format!($($seen)+)));
        }
    };
}

/// No situation may hang; the slowest waits twenty seconds for a first token.
const LONGEST: Duration = Duration::from_secs(60);

/// More at once would measure the machine.
const AT_ONCE: usize = 8;

type Situation = (&'static str, fn() -> BoxFuture<'static, Graded>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scorecard() {
    let mut running = tokio::task::JoinSet::new();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    for (number, (name, run)) in situations::ALL.into_iter().enumerate() {
        let room = room.clone();
        running.spawn(async move {
            let _place = room.acquire_owned().await.unwrap();
            // A situation that panics is a failed one, and does not hide the others.
            let graded = tokio::spawn(tokio::time::timeout(LONGEST, run())).await;
            let graded = graded.map(|graded| graded.unwrap_or_else(|_| Err("never ended".to_owned())));
            let graded = graded.unwrap_or_else(|error| Err(format!("panicked: {error}")));
            (number, name, graded)
        });
    }
    let mut card = running.join_all().await;
    card.sort_by_key(|(number, ..)| *number);
    let grade = |graded: &Graded| graded.as_ref().map_or(Grade::Fail, |(grade, _)| *grade);
    let mut text = String::new();
    for (number, name, graded) in &card {
        let note = graded.as_ref().map_or_else(Clone::clone, |(_, note)| note.clone());
        writeln!(text, "{:>2}  {:<44} {:<8} {note}", number + 1, name, grade(graded)).unwrap();
    }
    let count = |wanted| card.iter().filter(|(_, _, graded)| grade(graded) == wanted).count();
    let [pass, partial, safe, fail] = [Grade::Pass, Grade::Partial, Grade::Safe, Grade::Fail].map(count);
    println!("\n{text}\n{pass} pass, {partial} partial, {safe} safe, {fail} fail of {}", card.len());
    assert_eq!(fail, 0, "\n{text}");
    assert!(partial == 0 && safe <= 2, "\n{text}");
}
