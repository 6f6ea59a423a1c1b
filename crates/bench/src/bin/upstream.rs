//! `upstream ADDRESS`: a provider that costs next to nothing, for `scripts/bench-load`.
//!
//! A request says itself what it wants: with `"stream":true` as many tokens as its `max_tokens`, each an event of its own,
//! `seed` milliseconds apart (0: all as fast as they go). Each token is the time at which it was sent, in nanoseconds since
//! 1970. Without a stream it gets a short whole answer.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tierway_bench::wire::Wire;
use tierway_bench::{Failed, traffic};
use tokio::net::TcpListener;

/// Characters of a whole answer.
const ANSWER: usize = 400;

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9100".into());
    tierway_bench::exit(tierway_bench::block_on(serve(address)))
}

async fn serve(address: String) -> Result<(), Failed> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let wire = Wire::new(listener.accept().await?.0)?;
        tokio::spawn(async move {
            // It ends when the other side goes away.
            let _ = answer_all(wire).await;
        });
    }
}

async fn answer_all(mut wire: Wire) -> Result<(), Failed> {
    let body = traffic::answer(ANSWER);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let whole = (head + &body).into_bytes();
    let mut request = Vec::new();
    loop {
        let head = wire.head().await?;
        request.clear();
        wire.body(head, |piece| request.extend_from_slice(piece)).await?;
        // The fields that count stand behind the messages.
        let tail = &request[memchr::memmem::rfind(&request, b"]").unwrap_or(0)..];
        if memchr::memmem::find(tail, b"\"stream\":true").is_some() {
            stream(&mut wire, number(tail, b"\"max_tokens\":"), number(tail, b"\"seed\":")).await?;
        } else {
            wire.send(&whole).await?;
        }
    }
}

/// The number behind a name; 0 when it is not there.
fn number(text: &[u8], name: &[u8]) -> u64 {
    let Some(at) = memchr::memmem::find(text, name) else { return 0 };
    let digits = text[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

async fn stream(wire: &mut Wire, tokens: u64, pause_ms: u64) -> Result<(), Failed> {
    wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await?;
    let pause = Duration::from_millis(pause_ms);
    for token in 0..tokens {
        if token > 0 && !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let sent_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        wire.send(&chunk(&traffic::token(&format!("\"content\":\"{sent_at}\""), "null"))).await?;
    }
    let mut end = chunk(&traffic::token("", "\"stop\""));
    end.extend(chunk(&traffic::usage(tokens)));
    end.extend(chunk("data: [DONE]\n\n"));
    end.extend(b"0\r\n\r\n");
    Ok(wire.send(&end).await?)
}

fn chunk(event: &str) -> Vec<u8> {
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}
