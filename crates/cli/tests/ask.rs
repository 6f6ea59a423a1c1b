//! `ask` as its users see it, in front of a provider that answers.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

use std::path::Path;
use std::process::Command;
use tierway_ledger::{Ledger, Options};
use tierway_testkit::Upstream;

/// Exit code, stdout and stderr.
async fn ask(dir: &Path, upstream: &Upstream, more: &[&str]) -> (i32, String, String) {
    let config = format!(
        "[providers.fake]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n\
         [[tiers]]\nname = \"standard\"\ntargets = [\"fake/unheard-of\"]\n",
        upstream.url()
    );
    std::fs::write(dir.join("tierway.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tierway"));
    command.args(["ask", "What is the capital of Peru?"]).args(more).current_dir(dir).env_clear();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn an_answer_is_shown_when_the_ledger_is_in_use_and_so_is_why_it_is_not_recorded() {
    let (dir, upstream) = (tempfile::tempdir().unwrap(), Upstream::start().await.unwrap());
    let busy = Ledger::open(dir.path().join("tierway.db"), Options::default()).unwrap();
    let (code, out, talk) = ask(dir.path(), &upstream, &[]).await;
    assert!(out.starts_with("unheard-of answers: What is the capital of Peru?"), "{out}{talk}");
    assert!(talk.contains("warning: this request is not recorded:") && talk.contains("--ledger FILE"), "{talk}");
    assert_eq!(code, 0, "{talk}");
    busy.close().unwrap();
    let (code, _, talk) = ask(dir.path(), &upstream, &[]).await;
    assert!(code == 0 && !talk.contains("not recorded"), "{talk}");
    assert!(talk.contains("cost    unknown (baseline unknown)"), "{talk}");
}
