//! What the server answers to what workers ask and tell: one text, number or error each. Nested answers are refused; the
//! keeper, who asks for such, has a client of its own.

use bytes::{Buf, BytesMut};

/// An answer of a script has some hundred bytes for each payer.
const LONGEST: usize = 64 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Text(String),
    Error(String),
}

/// Takes the next one out of what was read; none as long as it is not whole.
///
/// # Errors
/// What is none of these.
pub(super) fn take(input: &mut BytesMut) -> Result<Option<Reply>, String> {
    let Some(end) = memchr(input) else {
        return if input.len() > LONGEST { Err("an endless answer".into()) } else { Ok(None) };
    };
    let line = String::from_utf8_lossy(&input[..end]).into_owned();
    let (kind, rest) = line.split_at_checked(1).ok_or("an empty answer")?;
    let (reply, length) = match kind {
        "+" | ":" => (Reply::Text(rest.to_owned()), end + 2),
        "-" => (Reply::Error(rest.to_owned()), end + 2),
        "$" => {
            let length = rest.parse::<usize>().ok().filter(|length| *length <= LONGEST);
            let length = length.ok_or_else(|| format!("not understood: {line}"))?;
            let text = end + 2..end + 2 + length;
            if input.len() < text.end + 2 {
                return Ok(None);
            }
            (Reply::Text(String::from_utf8_lossy(&input[text.clone()]).into_owned()), text.end + 2)
        }
        _ => return Err(format!("not understood: {line}")),
    };
    input.advance(length);
    Ok(Some(reply))
}

/// Where the first line ends.
fn memchr(input: &[u8]) -> Option<usize> {
    input.windows(2).position(|two| two == b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::take;
    use bytes::BytesMut;

    /// All of it, however it is cut.
    #[track_caller]
    fn check(said: &str, want: &str) {
        for cut in 0..=said.len() {
            let (mut input, mut got) = (BytesMut::new(), Vec::new());
            for piece in [&said[..cut], &said[cut..]] {
                input.extend_from_slice(piece.as_bytes());
                loop {
                    match take(&mut input) {
                        Ok(Some(reply)) => got.push(format!("{reply:?}")),
                        Ok(None) => break,
                        Err(error) => {
                            got.push(error);
                            input.clear();
                        }
                    }
                }
            }
            assert_eq!(got.join(", "), want, "{said:?} cut at {cut}");
        }
    }

    #[test]
    fn answers_are_read_however_they_are_cut() {
        check("+OK\r\n:7\r\n$5\r\n1 2 3\r\n", r#"Text("OK"), Text("7"), Text("1 2 3")"#);
        check("$0\r\n\r\n+\r\n", r#"Text(""), Text("")"#);
        check("$4\r\n\r\n\r\n\r\n", r#"Text("\r\n\r\n")"#);
        check("-NOSCRIPT no such script\r\n+OK\r\n", r#"Error("NOSCRIPT no such script"), Text("OK")"#);
        check("$3\r\nab", "");
    }

    #[test]
    fn what_is_no_such_answer_is_refused() {
        for said in ["*1\r\n", "$-1\r\n", "$999999999\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n"] {
            assert!(take(&mut BytesMut::from(said)).is_err(), "{said:?}");
        }
        assert!(take(&mut BytesMut::from(&*vec![b'x'; super::LONGEST + 1])).is_err());
    }
}
