//! What one request may spend, with an account of our own: before a model is asked for its opinion, before another one
//! goes on with a broken answer, and when the client leaves.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "all of it is tests")]

use http::HeaderMap;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tierway::{Account, BoxFuture, Call, Denied, Hold, Need, Refusal, Reply, Standing};
use tierway_decide::{CallRecord, RejectWhy, Usd};
use tierway_gateway::Desk;
use tierway_ledger::Reader;
use tierway_testkit::{Fault, Plan, Upstream};
use tierway_wire::Format;

/// An account that lends up to so much, and writes down what became of it.
#[derive(Clone, Debug)]
struct Purse {
    limit: Usd,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    reserved: Usd,
    settled: Option<(Usd, u64)>,
}

impl Purse {
    fn of(dollars: i64) -> Self {
        Self { limit: Usd::from_picos(dollars * 1_000_000_000_000), book: Arc::default() }
    }

    fn settled(&self) -> (Usd, u64) {
        self.book.lock().unwrap().settled.expect("never settled")
    }

    fn take(&self, amount: Usd) -> bool {
        let mut book = self.book.lock().unwrap();
        let fits = book.reserved + amount <= self.limit;
        if fits {
            book.reserved += amount;
        }
        fits
    }
}

impl Account for Purse {
    fn standing(&self, _: &str) -> Standing {
        Standing::default()
    }

    fn reserve<'a>(&'a self, _: &'a str, need: Need) -> BoxFuture<'a, Result<Box<dyn Hold>, Denied>> {
        let refusal = || Refusal::over_rate("too fast", None);
        let taken = self.take(need.money.unwrap()).then(|| Box::new(self.clone()) as Box<dyn Hold>);
        Box::pin(ready(taken.ok_or_else(|| Denied { refusal: refusal(), why: RejectWhy::OverBudget })))
    }
}

impl Hold for Purse {
    fn extend(&mut self, more: Usd) -> BoxFuture<'_, bool> {
        Box::pin(ready(self.take(more)))
    }

    fn head(&self, _: &mut HeaderMap) {}

    fn settle(self: Box<Self>, paid: Usd, tokens: u64) {
        self.book.lock().unwrap().settled = Some((paid, tokens));
    }
}

struct Shop {
    desk: Desk,
    upstream: Upstream,
    folder: tempfile::TempDir,
}

impl Shop {
    /// A cheap model, and one that costs ten dollars for a hundred tokens and goes on with what others began.
    async fn open(more: &str) -> Self {
        let upstream = Upstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
[providers.p]
kind = "openai_compatible"
base_url = "{}/v1"
[[tiers]]
name = "cheap"
targets = [{{ provider = "p", model = "cheap-m", price = {{ input = 1.0, output = 2.0 }} }}]
[[tiers]]
name = "dear"
targets = [{{ provider = "p", model = "dear-m", parameters = {{ prefill = true }}, price = {{ input = 1.0, output = 100000.0 }} }}]
[ledger]
path = "{}"
[routing]
baseline = "cheap"
{more}
"#,
            upstream.url(),
            folder.path().join("l.db").display(),
        );
        let config = tierway_config::parse(&text, "spending.toml", &|_| None).unwrap();
        Self { desk: Desk::open(&config).unwrap(), upstream, folder }
    }

    async fn ask(&self, purse: &Purse, body: &Value, dry_run: bool) -> Reply {
        let mut call = Call::new(Format::OpenaiChat, body.to_string());
        call.account = Some(Arc::new(purse.clone()));
        call.dry_run = dry_run;
        self.desk.router().chat(call).await
    }

    /// The only row.
    fn row(self) -> CallRecord {
        self.desk.close().unwrap();
        let mut rows = Vec::new();
        let each = |row: Result<tierway_ledger::StoredCall, _>| {
            rows.push(row.unwrap().call);
            std::ops::ControlFlow::Continue(())
        };
        let mut reader = Reader::open(self.folder.path().join("l.db").as_path()).unwrap();
        reader.each(tierway_ledger::Span::ALL, each).unwrap();
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }
}

fn said(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Which river is the longest?"}]})
}

const ASKS: &str = "classifier = \"model\"\nclassifier_timeout_ms = 300";

#[tokio::test]
async fn who_may_not_ask_us_does_not_buy_an_opinion() {
    let shop = Shop::open(ASKS).await;
    assert_eq!(shop.ask(&Purse::of(0), &said("auto"), false).await.status, 429);
    assert_eq!(shop.upstream.seen().len(), 0, "the classifier was asked");
    // Nor does a dry run, which calls nobody.
    assert_eq!(shop.ask(&Purse::of(0), &said("auto"), true).await.status, 200);
    assert_eq!(shop.upstream.seen().len(), 0, "the classifier was asked");
}

#[tokio::test]
async fn an_opinion_that_does_not_come_is_paid_for() {
    let shop = Shop::open(ASKS).await;
    shop.upstream.plan("cheap-m", Plan::once(Fault::Silent));
    let purse = Purse::of(1_000);
    assert_eq!(shop.ask(&purse, &said("auto"), false).await.status, 200);
    let row = shop.row();
    assert!(row.classifier_paid > Usd::ZERO && row.usage_estimated, "{row:?}");
    assert_eq!(purse.settled().0, row.paid.unwrap() + row.classifier_paid);
}

#[tokio::test]
async fn going_on_with_a_broken_answer_has_to_be_affordable() {
    for (dollars, goes_on) in [(1, false), (100, true)] {
        let shop = Shop::open("").await;
        shop.upstream.plan("cheap-m", Plan::always(Fault::Cut { after: 7 }));
        let (purse, mut body) = (Purse::of(dollars), said("cheap"));
        body["stream"] = json!(true);
        let reply = shop.ask(&purse, &body, false).await;
        let text = reply.body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(text.contains("data: [DONE]"), goes_on, "{dollars}: {text}");
        assert_eq!(shop.upstream.calls_of("dear-m").len(), usize::from(goes_on), "{dollars}");
        let row = shop.row();
        assert_eq!(row.attempts.len(), 1 + usize::from(goes_on), "{row:?}");
        assert_eq!(purse.settled().0, row.paid.unwrap());
        assert!(row.paid.unwrap() <= purse.limit, "{row:?}");
    }
}

#[tokio::test]
async fn who_goes_on_reads_what_others_said_and_is_paid_for_that() {
    let shop = Shop::open("").await;
    shop.upstream.plan("cheap-m", Plan::always(Fault::Cut { after: 7 }));
    shop.upstream.plan("dear-m", Plan::always(Fault::Cut { after: 3 }));
    let mut body = said("cheap");
    body["stream"] = json!(true);
    let reply = shop.ask(&Purse::of(100), &body, false).await;
    let _ = reply.body.collect().await.unwrap();
    let row = shop.row();
    // Neither told its usage: both are estimates, and the second prompt holds the first's seven tokens, too.
    let read: Vec<_> = row.attempts.iter().map(|attempt| attempt.usage.input_tokens).collect();
    assert_eq!(read.len(), 2, "{row:?}");
    assert!(read[1] > read[0], "{read:?}");
    assert_eq!(row.usage.input_tokens, read[0], "{row:?}");
}

#[tokio::test]
async fn who_leaves_before_the_answer_pays_for_what_was_read() {
    for stream in [false, true] {
        let shop = Shop::open("").await;
        shop.upstream.plan("cheap-m", Plan::always(Fault::Silent));
        let (purse, mut body) = (Purse::of(1), said("cheap"));
        body["stream"] = json!(stream);
        let asked = tokio::time::timeout(Duration::from_millis(500), shop.ask(&purse, &body, false)).await;
        assert!(asked.is_err(), "it was answered");
        let ((paid, tokens), row) = (purse.settled(), shop.row());
        assert!(paid > Usd::ZERO && tokens > 0, "{paid:?} for {tokens} tokens");
        assert!(row.usage_estimated && row.paid == Some(paid) && row.usage.input_tokens == tokens, "{row:?}");
    }
}
