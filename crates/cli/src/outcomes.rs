//! Reads files of judged outcomes: JSON lines, plain or gzipped.

use crate::exit::Failed;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tierway_learn::{Outcome, OutcomeError};

/// All outcomes of these files, in order. The first bad line ends it, with file and number.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Outcome>, Failed> {
    parse(paths, Outcome::parse)
}

/// What `one` makes of each line of these files, in order.
pub(crate) fn parse<T>(paths: &[PathBuf], one: impl Fn(&str) -> Result<T, OutcomeError>) -> Result<Vec<T>, Failed> {
    let mut outcomes = Vec::new();
    for path in paths {
        let file = open(path).map_err(|error| Failed::told(format_args!("{}: {error}", path.display())))?;
        for (number, line) in (1usize..).zip(crate::lines::of(file)) {
            let numbered =
                |error: &dyn std::fmt::Display| Failed::told(format_args!("{}:{number}: {error}", path.display()));
            let line = line.map_err(|error| numbered(&error))?;
            let line = std::str::from_utf8(&line)
                .map_err(|_| numbered(&"no UTF-8 text; outcomes are JSON lines, plain or gzipped"))?;
            if !line.trim().is_empty() {
                outcomes.push(one(line).map_err(|error| numbered(&error))?);
            }
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
