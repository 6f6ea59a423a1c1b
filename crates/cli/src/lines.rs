//! Lines of a file, each bounded: what has no line ends, such as a device, does not fill the memory.

use std::io::{self, BufRead, Read};

/// The longest line. A request of a million tokens has some megabytes, an outcome a few of them.
const MOST_BYTES: u64 = 64 << 20;

/// The lines of a reader, without their ends; some editors and shells put a byte order mark before the first, which goes, too.
pub(crate) fn of(mut from: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut first = true;
    std::iter::from_fn(move || {
        let line = next(&mut from, MOST_BYTES).transpose()?;
        let begins = std::mem::replace(&mut first, false);
        Some(line.map(|line| match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if begins => rest.to_vec(),
            _ => line,
        }))
    })
}

fn next(from: &mut impl BufRead, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if from.by_ref().take(most + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() as u64 > most {
        let message = format!("a line is longer than {} MB", most >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
    use super::*;

    #[test]
    fn lines_are_told_apart_and_bounded() {
        let lines = |text: &'static [u8]| of(text).map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(lines(b"\xef\xbb\xbfa\n\n\xef\xbb\xbfb\r\nc"), [&b"a"[..], b"", b"\xef\xbb\xbfb\r", b"c"]);
        assert_eq!(lines(b""), [b""; 0]);
        assert_eq!(next(&mut &b"abc\nd"[..], 3).unwrap(), Some(b"abc".to_vec()));
        assert!(next(&mut &b"abcd\n"[..], 3).is_err());
    }
}
