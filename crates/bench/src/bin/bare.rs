//! `bare ADDRESS UPSTREAM`: the least that a proxy on hyper costs. Bytes in, bytes out, nothing looked at: what
//! `scripts/bench-load` measures tierway against.

use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::process::ExitCode;
use tierway_bench::Failed;
use tokio::net::TcpListener;

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:9200".into());
    let upstream = args.next().unwrap_or_else(|| "127.0.0.1:9100".into());
    tierway_bench::exit(tierway_bench::block_on(serve(address, upstream)))
}

async fn serve(address: String, upstream: String) -> Result<(), Failed> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(tcp);
    let upstream: Authority = upstream.parse()?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let stream = listener.accept().await?.0;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let service = service_fn(move |request| pass(client.clone(), upstream.clone(), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(upstream));
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request.headers_mut().remove(header::HOST);
    Ok(match client.request(request).await {
        Ok(answer) => answer.map(Either::Left),
        Err(_) => {
            let mut failed = Response::new(Either::Right(Empty::new()));
            *failed.status_mut() = StatusCode::BAD_GATEWAY;
            failed
        }
    })
}
