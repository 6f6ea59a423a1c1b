//! Writes that fall due in one turn of a worker go out together, at its end.
//!
//! A write to a process on the same machine that waits for it wakes it, which costs the writer more than sending: an interrupt to
//! another core. Who was woken is through with one request before the next one has been decided, and waits again, so that each
//! request pays for its own two. Of writes that follow each other closely only the first one does.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// A stream that holds each write back until the tasks that are ready now have had their turn. While there is only one, that is at
/// once.
#[derive(Debug)]
pub struct Together<S> {
    stream: S,
    /// A write has been held back, and is next.
    held: bool,
}

impl<S> Together<S> {
    /// Nothing is held back yet.
    pub const fn new(stream: S) -> Self {
        Self { stream, held: false }
    }

    /// Ready at every second look; at the first one asks to be woken at the end of the turn. Who looks again before then writes
    /// sooner, and nothing else.
    fn turn_ends(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.held = !self.held;
        if !self.held {
            return Poll::Ready(());
        }
        // Its first poll leaves the waker with the runtime, which is all that it is for.
        pin!(tokio::task::yield_now()).poll(cx)
    }
}

impl<S: Read + Unpin> Read for Together<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl<S: Write + Unpin> Write for Together<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.turn_ends(cx));
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.turn_ends(cx));
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Notes what is written.
    struct Notes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Notes {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn writes_wait_for_what_is_ready_and_keep_their_order() {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let writers = [[b"one", b"two"], [b"six", b"ten"]].map(|words| {
            let mut stream = Together::new(Notes(notes.clone()));
            tokio::spawn(async move {
                for word in words {
                    let wrote = std::future::poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, word)).await;
                    assert_eq!(wrote.unwrap(), word.len());
                }
            })
        });
        let seen = notes.clone();
        let other = tokio::spawn(async move { seen.lock().unwrap().len() });
        assert_eq!(other.await.unwrap(), 0, "a task that was ready had its turn before any write");
        for writer in writers {
            writer.await.unwrap();
        }
        let wrote = notes.lock().unwrap();
        for [first, second] in [[b"one", b"two"], [b"six", b"ten"]] {
            let at = |word: &[u8]| wrote.iter().position(|wrote| wrote == word);
            assert!(at(first).is_some() && at(first) < at(second), "{wrote:?}");
        }
    }
}
