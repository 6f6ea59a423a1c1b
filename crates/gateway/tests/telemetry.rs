//! Telemetry as a collector gets it: spans and metrics of real requests, and answers that do not wait for it.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tierway_gateway::Gateway;
use tierway_testkit::Upstream;

/// A collector that takes everything and shows it: path, head and body of each message.
fn collector() -> (String, Receiver<(String, Value)>) {
    collector_that_refuses(0)
}

/// One that shows the first so many messages as well, and does not take them.
fn collector_that_refuses(first: usize) -> (String, Receiver<(String, Value)>) {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", door.local_addr().unwrap());
    let (tell, told) = channel();
    let seen = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for stream in door.incoming() {
            let (mut stream, tell, seen) = (stream.unwrap(), tell.clone(), seen.clone());
            std::thread::spawn(move || {
                let (mut read, mut piece) = (Vec::new(), [0; 65_536]);
                loop {
                    let count = stream.read(&mut piece).unwrap_or(0);
                    if count == 0 {
                        return;
                    }
                    read.extend_from_slice(&piece[..count]);
                    let text = String::from_utf8_lossy(&read).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    if let Ok(body) = serde_json::from_str(body) {
                        tell.send((head.to_owned(), body)).unwrap();
                        let taken = seen.fetch_add(1, Ordering::SeqCst) >= first;
                        let status = if taken { "200 OK" } else { "503 Service Unavailable" };
                        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                        stream.write_all(reply.as_bytes()).unwrap();
                        read.clear();
                    }
                }
            });
        }
    });
    (address, told)
}

/// A gateway with these sections, and what it stands on.
async fn start(more: &str) -> (Gateway, Upstream, tempfile::TempDir) {
    let upstream = Upstream::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[ledger]\npath = \"{}\"\n{more}\n\
         [providers.fake]\nkind = \"openai_compatible\"\nbase_url = \"{}/v1\"\n\
         [[tiers]]\nname = \"standard\"\ntargets = [\"fake/s\"]\nprice = {{ input = 5, output = 15 }}\n",
        folder.path().join("l.db").display(),
        upstream.url(),
    );
    let config = tierway_config::parse(&text, "telemetry.toml", &|_| None).unwrap();
    (Gateway::start(&config, 1).unwrap(), upstream, folder)
}

async fn get(gateway: &Gateway, method: Method, path: &str, body: String) -> (http::HeaderMap, Value) {
    let request = Request::builder().method(method).uri(format!("http://{}{path}", gateway.address()));
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let (head, body) = answer.into_parts();
    (head.headers, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap())
}

async fn ask(gateway: &Gateway) -> http::HeaderMap {
    let messages = serde_json::json!([{"role": "user", "content": "a secret prompt"}]);
    let body = serde_json::json!({"model": "auto", "user": "ann@example.com", "messages": messages}).to_string();
    get(gateway, Method::POST, "/v1/chat/completions", body).await.0
}

/// What waits is sent before it ends.
async fn stop(gateway: Gateway) {
    tokio::task::spawn_blocking(|| gateway.stop().unwrap()).await.unwrap();
}

async fn serve(telemetry: &str, asks: usize) {
    let (gateway, _upstream, _folder) = start(telemetry).await;
    for _ in 0..asks {
        ask(&gateway).await;
    }
    stop(gateway).await;
}

fn attributes(of: &Value) -> String {
    let one = |one: &Value| {
        let value = one["value"].as_object().unwrap().values().next().unwrap();
        format!("{}={}\n", one["key"].as_str().unwrap(), value.to_string().trim_matches('"'))
    };
    of["attributes"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_and_histograms_by_their_conventional_names() {
    let (address, told) = collector();
    serve(&format!("[telemetry]\nendpoint = \"{address}\""), 3).await;
    let messages: Vec<_> = std::iter::from_fn(|| told.recv_timeout(Duration::from_millis(300)).ok()).collect();
    let whole = format!("{messages:?}");
    for secret in ["secret prompt", "ann@example.com"] {
        assert!(!whole.contains(secret), "{secret} left the house");
    }
    let of = |path: &str| {
        messages.iter().filter(|(head, _)| head.starts_with(path)).map(|(_, body)| body).collect::<Vec<_>>()
    };
    let traces = of("POST /v1/traces ");
    let spans: Vec<&Value> =
        traces.iter().flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap()).collect();
    assert_eq!(spans.len(), 6, "a request and its call, three times");
    let (request, call) = (spans[0], spans[1]);
    assert_eq!((&request["name"], &call["name"]), (&"chat auto".into(), &"chat s".into()));
    assert_eq!((&request["kind"], &call["kind"]), (&2.into(), &3.into()));
    assert_eq!((&call["traceId"], &call["parentSpanId"]), (&request["traceId"], &request["spanId"]));
    assert_eq!((request["traceId"].as_str().unwrap().len(), call["spanId"].as_str().unwrap().len()), (32, 16));
    let ended = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    assert!(ended(request, "endTimeUnixNano") >= ended(call, "startTimeUnixNano"));
    for (span, wanted) in [
        (request, "tierway.tier=standard\n"),
        (request, "tierway.cost_usd=0.0"),
        (request, "gen_ai.request.model=auto\n"),
        (call, "gen_ai.operation.name=chat\n"),
        (call, "gen_ai.provider.name=fake\n"),
        (call, "gen_ai.usage.input_tokens="),
        (call, "gen_ai.response.finish_reasons="),
    ] {
        assert!(attributes(span).contains(wanted), "{wanted} in\n{}", attributes(span));
    }
    let metrics = of("POST /v1/metrics ");
    let metrics = metrics.last().unwrap()["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let names: Vec<_> = metrics.iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["gen_ai.client.operation.duration", "gen_ai.client.token.usage", "tierway.cost"]);
    let point = &metrics[0]["histogram"]["dataPoints"][0];
    let counts = point["bucketCounts"].as_array().unwrap();
    assert_eq!((point["count"].as_str(), counts.len()), (Some("3"), 15));
    let sum: u64 = counts.iter().map(|count| count.as_str().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, 3);
    assert_eq!(metrics[1]["histogram"]["dataPoints"].as_array().unwrap().len(), 2, "tokens in and out");
}

/// The question to a model that decides is paid like an answer: one figure, wherever it is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_cost_has_one_meaning_everywhere() {
    let (address, told) = collector();
    let (gateway, upstream, _folder) = start(&format!(
        "[telemetry]\nendpoint = \"{address}\"\n[routing]\nclassifier = \"model\"\nbaseline = \"standard\"\n\
         [[tiers]]\nname = \"nano\"\ntargets = [\"fake/n\"]\nprice = {{ input = 1, output = 2 }}\n"
    ))
    .await;
    let headers = ask(&gateway).await;
    assert_eq!(upstream.seen().len(), 2, "one question, one answer");
    let said = |name: &str| headers[name].to_str().unwrap();
    let paid: f64 = said("x-tierway-cost-usd").parse().unwrap();
    gateway.flush().unwrap();
    let read = async |path: &str| get(&gateway, Method::GET, &format!("/api/v1/{path}"), String::new()).await.1;
    let one = read(&format!("requests/{}", said("x-tierway-request-id"))).await;
    let money = &one["explain"]["money"];
    let deciding = money["classifier_usd"].as_f64().unwrap();
    assert!(deciding > 0.0 && deciding < paid, "{money}");
    let (list, report) = (read("requests").await, read("report").await);
    let line = |of: &Value| of[0]["paid_usd"].clone();
    for (place, told) in [
        ("one request", money["paid_usd"].clone()),
        ("the list", line(&list["requests"])),
        ("a line of a report", line(&report["tiers"])),
        ("its sum", report["totals"]["money"]["paid_usd"].clone()),
    ] {
        assert!((told.as_f64().unwrap() - paid).abs() < 1e-12, "{place}: {told}, not {paid}");
    }
    stop(gateway).await;
    let messages: Vec<_> = std::iter::from_fn(|| told.recv_timeout(Duration::from_millis(300)).ok()).collect();
    let (_, last) = messages.iter().rfind(|(head, _)| head.starts_with("POST /v1/metrics ")).unwrap();
    let metrics = last["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    let cost = metrics.iter().find(|metric| metric["name"] == "tierway.cost").unwrap();
    let points = cost["sum"]["dataPoints"].as_array().unwrap();
    let sum: f64 = points.iter().map(|point| point["asDouble"].as_f64().unwrap()).sum();
    assert!((sum - paid).abs() < 1e-12, "{points:?}, not {paid}");
    let of_deciding = points.iter().find(|point| attributes(point).contains("gen_ai.request.model=(classifier)\n"));
    assert_eq!(of_deciding.unwrap()["asDouble"], deciding);
}

/// What was counted last is told although nothing more is counted.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_a_collector_did_not_take_are_sent_again() {
    let (address, told) = collector_that_refuses(2);
    let (gateway, _upstream, _folder) = start(&format!("[telemetry]\nendpoint = \"{address}\"")).await;
    ask(&gateway).await;
    let metrics = || {
        let within = Duration::from_secs(20);
        let next = || told.recv_timeout(within).ok().filter(|(head, _)| head.starts_with("POST /v1/metrics "));
        std::iter::from_fn(|| Some(next())).take(3).flatten().count()
    };
    assert_eq!(tokio::task::block_in_place(metrics), 2, "spans and metrics that are refused, metrics that are taken");
    stop(gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_no_answer() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = std::time::Instant::now();
    serve(&format!("[telemetry]\nendpoint = \"http://{closed}\"\ntrace_share = 0.5"), 2).await;
    // It gives up rather than hold the shutdown; far from any timing that a test could be late for.
    assert!(begun.elapsed() < Duration::from_secs(30));
}
