//! A prompt from the command line, or from stdin.

use crate::exit::Failed;
use std::io::{self, Read};

/// The largest prompt that is read: as large as the largest body that a gateway takes by default.
const MOST_BYTES: u64 = 16 << 20;

/// The words themselves, or for `-` what stands on stdin.
pub(crate) fn read(words: &str) -> Result<String, Failed> {
    let prompt = if words == "-" { from(io::stdin())? } else { words.to_owned() };
    if prompt.trim().is_empty() {
        return Err(Failed::told("the prompt is empty; give it in quotes, or `-` and the text on stdin"));
    }
    Ok(prompt)
}

fn from(stdin: impl Read) -> Result<String, Failed> {
    let mut bytes = Vec::new();
    let read = stdin.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failed::told(format_args!("stdin cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Failed::told(format_args!("stdin holds more than {} MB; a prompt is shorter", MOST_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failed::told(format_args!(
            "stdin is no UTF-8 text (from byte {at} on); a prompt is text, files are not read here"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_bounded() {
        assert!(from(io::repeat(b'a')).is_err());
        assert!(from(&b"h\xc3\xa9"[..]).is_ok_and(|text| text == "h\u{e9}"));
    }
}
