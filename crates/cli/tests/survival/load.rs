//! Clients on threads and raw sockets, a connection a request, so that each outcome is known exactly.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How one request looks to its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// To its very end; here and below: the id of the request.
    Answered(String),
    /// An error, as a reply or at the end of a stream.
    Error(String),
    /// The client went away after the head.
    Left(String),
    /// No connection at all.
    NoConnection(String),
    /// The connection ended in the middle: why, or what came.
    Broken(String),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Whole,
    Stream,
    /// Leaves a stream after its first bytes.
    Leaves,
    /// Sends what nobody can answer.
    Nonsense,
}

/// Clients that ask until they are stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    /// Some request came to an end.
    began: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Outcome>>>,
}

impl Load {
    /// So many clients, each going through these manners in turn.
    pub(crate) fn start(address: SocketAddr, clients: usize, manners: &'static [Manner]) -> Self {
        let [stop, began] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let client = |number: usize| {
            let (stop, began) = (stop.clone(), began.clone());
            std::thread::spawn(move || {
                let mut outcomes = Vec::new();
                let mut turns = manners.iter().cycle().skip(number);
                while !stop.load(Ordering::Relaxed) {
                    outcomes.push(ask(address, *turns.next().unwrap()));
                    began.store(true, Ordering::Relaxed);
                }
                outcomes
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, began, clients }
    }

    /// Waits until one request is over: on a machine that has other work that takes its time.
    pub(crate) fn wait_until_it_began(&self) {
        let since = Instant::now();
        while !self.began.load(Ordering::Relaxed) {
            assert!(since.elapsed() < Duration::from_secs(60), "no request came to an end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn stop(self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

/// One request on a connection of its own.
pub(crate) fn ask(address: SocketAddr, manner: Manner) -> Outcome {
    match TcpStream::connect(address) {
        Ok(stream) => converse(stream, manner).unwrap_or_else(|error| Outcome::Broken(error.to_string())),
        Err(error) => Outcome::NoConnection(error.to_string()),
    }
}

fn converse(mut stream: TcpStream, manner: Manner) -> io::Result<Outcome> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let body = match manner {
        Manner::Whole => r#"{"model":"standard","messages":[{"role":"user","content":"who?"}]}"#,
        Manner::Stream | Manner::Leaves => {
            r#"{"model":"standard","stream":true,"messages":[{"role":"user","content":"who?"}]}"#
        }
        Manner::Nonsense => r#"{"model":"standard","messages":7}"#,
    };
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = Vec::new();
    let mut room = [0; 16 * 1024];
    loop {
        let read = stream.read(&mut room)?;
        text.extend_from_slice(&room[..read]);
        let seen = String::from_utf8_lossy(&text);
        if read == 0 {
            return Ok(outcome(&seen, manner));
        }
        if matches!(manner, Manner::Leaves) && seen.contains("\r\n\r\n") {
            return Ok(id(&seen).map_or_else(|| Outcome::Broken(seen.into_owned()), Outcome::Left));
        }
    }
}

fn id(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("x-tierway-request-id: ")).map(str::to_owned)
}

/// All bytes of a reply, read to the end of its connection.
fn outcome(text: &str, manner: Manner) -> Outcome {
    let (Some(id), Some((head, body))) = (id(text), text.split_once("\r\n\r\n")) else {
        return Outcome::Broken(text.to_owned());
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let whole = length.map_or(body.ends_with("0\r\n\r\n"), |length| body.len() == length);
    let marked = body.contains("data: [DONE]");
    match (whole, head.starts_with("HTTP/1.1 200")) {
        (true, true) if matches!(manner, Manner::Whole) || marked => Outcome::Answered(id),
        (true, _) => Outcome::Error(id),
        (false, _) if marked => Outcome::Answered(id),
        (false, _) => Outcome::Broken(text.to_owned()),
    }
}
