//! Reads files of judged outcomes: JSON lines, plain or gzipped.

use crate::exit::Failed;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use tierway_learn::Outcome;

/// All outcomes of these files, in order. The first bad line ends it, with file and number.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Outcome>, Failed> {
    let mut outcomes = Vec::new();
    for path in paths {
        let named = |error: &dyn std::fmt::Display| Failed::told(format_args!("{}: {error}", path.display()));
        let lines = open(path).map_err(|error| named(&error))?.lines();
        for (number, line) in (1usize..).zip(lines) {
            let numbered =
                |error: &dyn std::fmt::Display| Failed::told(format_args!("{}:{number}: {error}", path.display()));
            let line = line.map_err(|error| match error.kind() {
                ErrorKind::InvalidData => numbered(&"no UTF-8 text; outcomes are JSON lines, plain or gzipped"),
                _ => numbered(&error),
            })?;
            // some editors and shells put a byte order mark before the first line
            let line = line.trim_start_matches('\u{feff}');
            if line.trim().is_empty() {
                continue;
            }
            outcomes.push(Outcome::parse(line).map_err(|error| numbered(&error))?);
        }
    }
    Ok(outcomes)
}

fn open(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    let gzipped = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let inner: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    Ok(Box::new(BufReader::new(inner)))
}
