//! First words that fall due in one turn of a worker go out together, at its end.
//!
//! A write to a process on the same machine that waits for it wakes it, which costs the writer more than sending: an interrupt to
//! another core. Who was woken is through with one request before the next one has been decided, and waits again, so that each
//! request pays for its own two. Of writes that follow each other closely only the first one does.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// More than so many bytes go out at once: at the end of a turn they would have to be fetched from memory again, which costs more than
/// waking somebody.
const HELD_AT_MOST: usize = 8 * 1024;

/// A stream whose first write after something was read (or at all) lets the tasks that are ready go first, up to those that one
/// turn of the runtime takes. What is written after that goes out at once: the rest of a long body, events of a stream, and all that a
/// full socket has kept back.
#[derive(Debug)]
pub struct Together<S> {
    stream: S,
    /// The next write is such a first one.
    first: bool,
}

impl<S> Together<S> {
    /// The first write is held back.
    pub const fn new(stream: S) -> Self {
        Self { stream, first: true }
    }

    /// Pending where a first write of so many bytes is due, once: the task is woken at the end of the turn. Who looks again before then
    /// writes sooner, and is woken in vain.
    fn turn_ends(&mut self, bytes: usize, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::take(&mut self.first) || bytes > HELD_AT_MOST {
            return Poll::Ready(());
        }
        // Its first poll leaves the waker with the runtime, which is all that it is for.
        pin!(tokio::task::yield_now()).poll(cx)
    }
}

impl<S: Read + Unpin> Read for Together<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, room);
        self.first |= read.is_ready();
        read
    }
}

impl<S: Write + Unpin> Write for Together<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.turn_ends(bytes.len(), cx));
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.turn_ends(pieces.iter().map(|piece| piece.len()).sum(), cx));
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
    use hyper::rt::ReadBuf;
    use hyper_util::rt::TokioIo;
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    type Stream = Together<TokioIo<DuplexStream>>;

    fn look(stream: &mut Stream, cx: &mut Context<'_>, word: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(stream).poll_write(cx, word)
    }

    #[tokio::test]
    async fn first_words_wait_for_who_is_ready_and_the_next_ones_do_not() {
        let (ours, mut theirs) = duplex(64);
        let mut stream = Together::new(TokioIo::new(ours));
        let writer = tokio::spawn(async move {
            for word in [b"one", b"two"] {
                let wrote = poll_fn(|cx| look(&mut stream, cx, word)).await;
                assert_eq!(wrote.unwrap(), word.len());
            }
            stream
        });
        let other = tokio::spawn(async move {
            let nothing = poll_fn(|cx| Poll::Ready(pin!(theirs.read_u8()).poll(cx).is_pending())).await;
            (nothing, theirs)
        });
        let (nothing, mut theirs) = other.await.unwrap();
        assert!(nothing, "a task that was ready had its turn before the first write");
        let mut stream = writer.await.unwrap();
        let mut said = [0; 6];
        theirs.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"onetwo");

        theirs.write_all(b"heard").await.unwrap();
        poll_fn(|cx| {
            assert!(look(&mut stream, cx, b"more").is_ready(), "nothing was heard since");
            let long = [b'x'; HELD_AT_MOST + 1];
            for (word, waits) in [(&b"more"[..], true), (&long, false)] {
                let mut room = [0; 2];
                assert!(Pin::new(&mut stream).poll_read(cx, ReadBuf::new(&mut room).unfilled()).is_ready());
                assert_eq!(
                    look(&mut stream, cx, word).is_pending(),
                    waits,
                    "{} bytes after something was heard",
                    word.len()
                );
            }
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn a_full_socket_is_not_asked_again_and_again() {
        let (mut ours, _theirs) = duplex(1);
        ours.write_all(b"x").await.unwrap();
        let (mut stream, mut polls) = (Together::new(TokioIo::new(ours)), 0);
        let stuck = poll_fn(|cx| {
            polls += 1;
            // As hyper looks, where its buffer is full: to make room, and to flush.
            for _ in 0..2 {
                assert!(look(&mut stream, cx, b"more").is_pending());
            }
            Poll::<()>::Pending
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), stuck).await.is_err());
        assert!(polls <= 3, "{polls}");
    }
}
