//! Just enough HTTP/1.1 for benches: messages on a kept connection, read as cheaply as they can be, so that the tools take
//! little of the time that is measured. Nothing is checked that no bench sends; not for any other use.

use bytes::{Buf, BytesMut};
use memchr::memmem;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    buffer: BytesMut,
}

/// How a message goes on after its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// HTTP status of an answer; 0 for a request.
    pub status: u16,
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Sized(usize),
    Chunked,
}

impl Wire {
    /// Over a connection, which sends at once what it is given.
    ///
    /// # Errors
    /// When the socket is broken.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads the head of the next message.
    ///
    /// # Errors
    /// When the connection is broken, or ends.
    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = Head::parse(&self.buffer[..end]);
                self.buffer.advance(end + 4);
                return head.ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            self.more().await?;
        }
    }

    /// Reads the body of a message, piece by piece as it comes.
    ///
    /// # Errors
    /// When the connection is broken, or ends.
    pub async fn body(&mut self, head: Head, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        match head.body {
            Body::Sized(size) => self.pass(size, &mut each).await,
            Body::Chunked => loop {
                let size = self.chunk_size().await?;
                self.pass(size, &mut each).await?;
                self.pass(2, &mut |_| {}).await?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    async fn pass(&mut self, mut left: usize, each: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            if self.buffer.is_empty() {
                self.more().await?;
            }
            let here = left.min(self.buffer.len());
            each(&self.buffer[..here]);
            self.buffer.advance(here);
            left -= here;
        }
        Ok(())
    }

    async fn chunk_size(&mut self) -> io::Result<usize> {
        loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n") {
                let size =
                    std::str::from_utf8(&self.buffer[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
                self.buffer.advance(end + 2);
                return size.ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(8 * 1024);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Head {
    fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let first = lines.next()?;
        let status = first.strip_prefix("HTTP/1.1 ").map_or(Some(0), |rest| rest.get(..3)?.parse().ok())?;
        let mut body = Body::Sized(0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body = Body::Sized(value.trim().parse().ok()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                body = Body::Chunked;
            }
        }
        Some(Self { status, body })
    }
}

/// A POST of JSON to the chat path.
#[must_use]
pub fn post(host: &str, key: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
