//! `/metrics` as Prometheus sees it: the dashboard in `docs/grafana` asks for nothing that is not there, and clients cannot
//! make series without end.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeSet;
use tierway_gateway::Gateway;
use tierway_testkit::Upstream;

const GRAFANA: &str = include_str!("../../../docs/grafana/tierway.json");

struct Door {
    gateway: Option<Gateway>,
    _upstream: Upstream,
    _folder: tempfile::TempDir,
}

impl Door {
    async fn open() -> Self {
        let upstream = Upstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmax_body_mb = 1\n[ledger]\npath = \"{}\"\n\
             [providers.fake]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n\
             [[tiers]]\nname = \"nano\"\ntargets = [\"fake/n\"]\nprice = {{ input = 1, output = 2 }}\n\
             [[tiers]]\nname = \"standard\"\ntargets = [\"fake/s\"]\nprice = {{ input = 5, output = 15 }}\n\
             [routing]\nbaseline = \"standard\"\npolicy = \"tiers\"\n\
             complexity = {{ simple = \"nano\", medium = \"nano\", complex = \"nano\", reasoning = \"nano\" }}\n\
             [quality]\nsample = 1.0\ndollars_a_day = 100\njudge = \"standard\"\nallow_without_key = true\n",
            folder.path().join("l.db").display(),
            upstream.url(),
        );
        let config = tierway_config::parse(&text, "door.toml", &|_| None).unwrap();
        Self { gateway: Some(Gateway::start(&config, 1).unwrap()), _upstream: upstream, _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> String {
        let address = self.gateway.as_ref().unwrap().address();
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let body = client.request(request.body(Full::from(body)).unwrap()).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn chat(&self, model: &str, stream: bool) {
        let messages = serde_json::json!([{"role": "user", "content": "Hello"}]);
        let body = serde_json::json!({"model": model, "stream": stream, "messages": messages});
        self.ask(Method::POST, "/v1/chat/completions", body.to_string()).await;
    }

    async fn metrics(&self) -> String {
        self.ask(Method::GET, "/metrics", String::new()).await
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.gateway.take().unwrap().stop().unwrap();
    }
}

/// Names of series, and names of labels, on a page.
fn exposed(page: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        names.insert(name);
        if let Some((inside, _)) = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')) {
            labels.extend(inside.split(',').filter_map(|pair| Some(pair.split_once('=')?.0)));
        }
    }
    (names, labels)
}

#[tokio::test]
async fn the_grafana_dashboard_asks_for_what_is_there() {
    let door = Door::open().await;
    door.chat("auto", false).await;
    door.chat("auto", true).await;
    door.chat("nobody-knows", false).await;
    door.ask(Method::POST, "/v1/chat/completions", " ".repeat(2 << 20)).await;
    // Counted when the record is offered or the sample is judged, which comes after the answer, or seconds later.
    let mut page = door.metrics().await;
    for _ in 0..1_000 {
        let late = ["tierway_time_to_first_token_seconds_bucket", "tierway_refused_total{", "tierway_quality_share{"];
        if late.iter().all(|name| page.contains(name)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        page = door.metrics().await;
    }
    let (names, labels) = exposed(&page);
    let dashboard: serde_json::Value = serde_json::from_str(GRAFANA).unwrap();
    let (mut asked, mut by) = (BTreeSet::new(), BTreeSet::new());
    for target in dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array()).flatten()
    {
        let text = target["expr"].as_str().unwrap();
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        asked.extend(words.filter(|word| word.starts_with("tierway_")).map(str::to_owned));
        let groups = text.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
        by.extend(groups.flat_map(|(names, _)| names.split(", ")).map(str::to_owned));
    }
    assert!(asked.len() >= 15, "{asked:?}");
    for name in &asked {
        assert!(names.contains(name.as_str()), "the dashboard asks for {name}, /metrics has {names:#?}");
    }
    for label in &by {
        assert!(labels.contains(label.as_str()), "the dashboard groups by {label}, /metrics has {labels:?}");
    }
}

#[tokio::test]
async fn models_that_clients_name_make_a_bounded_number_of_series() {
    let door = Door::open().await;
    for number in 0..300 {
        door.chat(&format!("fake/made-up-{number}"), false).await;
    }
    let page = door.metrics().await;
    let series = page.lines().filter(|line| line.starts_with("tierway_upstream_requests_total{")).count();
    assert!(series <= 130, "{series} series of upstream calls");
    assert!(page.contains("model=\"(other)\""), "the rest is counted together");
    // However many of them there were, what serves a tier is told apart: a new kind of end, too.
    door.chat("auto", false).await;
    let page = door.metrics().await;
    let of_tier = "tierway_upstream_requests_total{provider=\"fake\",model=\"n\",outcome=\"ok\"} 1";
    assert!(page.contains(of_tier), "{page}");
}
