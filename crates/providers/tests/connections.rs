//! Which connection a request goes out on, told by a provider that counts them.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tierway::{Operation, Provider, SendError, WireAnswer, WireRequest};
use tierway_providers::{Auth, Dialect, Endpoint, HttpProvider};
use tierway_wire::Format;

const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n";

/// How the provider of a test behaves.
#[derive(Clone, Copy)]
struct Manners {
    answer: &'static str,
    /// Closes the connection after so many answers, without saying so before.
    answers: usize,
}

/// A provider; says `connected`, the `host` of each request, and `gone` when a connection ended.
fn provider(manners: Manners) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (say, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let say = say.clone();
            std::thread::spawn(move || answer(stream.unwrap(), manners, &say));
        }
    });
    (address, heard)
}

fn answer(mut stream: TcpStream, manners: Manners, say: &Sender<String>) {
    let _ = say.send("connected".into());
    for _ in 0..manners.answers {
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return drop(say.send("gone".into())),
                Ok(size) => request.extend_from_slice(&buffer[..size]),
            }
        }
        let text = String::from_utf8(request).unwrap();
        let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let _ = say.send(format!("asked {host}"));
        stream.write_all(manners.answer.as_bytes()).unwrap();
    }
}

fn client(address: SocketAddr) -> HttpProvider {
    HttpProvider::new(endpoint(&format!("http://{address}/v1"))).unwrap()
}

fn endpoint(base_url: &str) -> Endpoint {
    Endpoint {
        name: "p".into(),
        format: Format::OpenaiChat,
        base_url: base_url.into(),
        auth: Auth::None,
        dialect: Dialect::Direct,
        headers: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        http2_only: false,
        max_idle_connections: 8,
    }
}

async fn ask(client: &HttpProvider) -> WireAnswer {
    client.send(request()).await.unwrap()
}

fn request() -> WireRequest {
    WireRequest {
        operation: Operation::Chat,
        format: Format::OpenaiChat,
        model: "m".into(),
        stream: false,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
    }
}

/// Reads frames until there are no more, or only one; then lets go of the answer.
async fn read(mut answer: WireAnswer, all: bool) {
    while let Some(frame) = poll_fn(|cx| answer.body.as_mut().poll_frame(cx)).await {
        frame.unwrap();
        if !all {
            return;
        }
    }
}

/// Asks three times, one after the other; gives what the provider saw, with its address as ADDRESS.
#[track_caller]
fn check(manners: Manners, all: bool, want: &str) {
    let (address, heard) = provider(manners);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client(address);
    runtime.block_on(async {
        for _ in 0..3 {
            read(ask(&client).await, all).await;
            // A provider needs a moment to close, and to notice that it was left.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let seen: Vec<_> = heard.try_iter().map(|said| said.replace(&address.to_string(), "ADDRESS")).collect();
    assert_eq!(seen.join(", "), want);
}

#[test]
fn a_connection_is_used_again() {
    let polite = |answer| Manners { answer, answers: 9 };
    check(polite(WHOLE), true, "connected, asked ADDRESS, asked ADDRESS, asked ADDRESS");
    check(polite(CHUNKED), true, "connected, asked ADDRESS, asked ADDRESS, asked ADDRESS");
    // Nobody reads on behind the end mark of a stream; what follows it was there already.
    check(polite(CHUNKED), false, "connected, asked ADDRESS, asked ADDRESS, asked ADDRESS");
}

#[test]
fn a_connection_that_died_while_it_was_idle_is_not_missed() {
    let brusque = Manners { answer: WHOLE, answers: 1 };
    check(brusque, true, "connected, asked ADDRESS, connected, asked ADDRESS, connected, asked ADDRESS");
}

#[test]
fn an_answer_that_is_given_up_takes_its_connection_with_it() {
    let endless = Manners { answer: ENDLESS, answers: 9 };
    let once = "connected, asked ADDRESS, gone";
    check(endless, false, &[once; 3].join(", "));
}

/// A provider on HTTP/2 that begins each answer and never ends it; counts its connections.
async fn endless_http2(connections: Arc<AtomicUsize>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::Relaxed);
            let service = service_fn(async |_| {
                let body = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>());
                Ok::<_, Infallible>(http::Response::new(body))
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(100);
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A server takes a hundred requests on a connection; the next ones must not wait for those to end.
#[tokio::test]
async fn requests_beyond_what_one_connection_carries_get_another() {
    let connections = Arc::<AtomicUsize>::default();
    let address = endless_http2(connections.clone()).await;
    let endpoint = Endpoint { http2_only: true, ..endpoint(&format!("http://{address}/v1")) };
    let client = HttpProvider::new(endpoint).unwrap();
    let asked = futures_util::future::join_all((0..250).map(|_| ask(&client)));
    let answers = tokio::time::timeout(Duration::from_secs(20), asked).await.expect("some wait for others to end");
    assert_eq!((answers.len(), connections.load(Ordering::Relaxed)), (250, 3));
    drop(answers);
    ask(&client).await;
    assert_eq!(connections.load(Ordering::Relaxed), 3, "one that has room again is used again");
}

/// It takes the connection and then says nothing, as a machine does whose program hangs.
#[tokio::test]
async fn a_handshake_that_hangs_is_a_connection_that_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint {
        connect_timeout: Duration::from_millis(100),
        ..endpoint(&format!("https://{}/v1", listener.local_addr().unwrap()))
    };
    let client = HttpProvider::new(endpoint).unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(10), client.send(request())).await;
    assert!(matches!(sent, Ok(Err(SendError::Connect { .. }))), "{:?}", sent.map(|sent| sent.map(|_| ())));
}

/// A server whose certificate nobody has signed whom we know.
fn stranger() -> SocketAddr {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let (listener, config) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(config));
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = ServerConnection::new(config.clone()).unwrap().complete_io(&mut stream);
        }
    });
    address
}

/// A server that answers whatever it hears in plain HTTP.
fn plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    address
}

/// No retry mends it: it must not look like a connection that may work the next time.
#[tokio::test]
async fn tls_that_is_refused_is_no_connection_that_failed() {
    for (address, want) in [(stranger(), "UnknownIssuer"), (plain(), "corrupt message")] {
        let client = HttpProvider::new(endpoint(&format!("https://{address}/v1"))).unwrap();
        let Err(error) = client.send(request()).await else { panic!("{address} was believed") };
        assert!(matches!(&error, SendError::Tls { cause, .. } if cause.contains(want)), "{error:?}");
    }
}
