//! Rows in PostgreSQL's binary copy format: packed before the transaction, so that it holds nothing up.

use crate::row::{self, Scratch};
use crate::value::Value;
use crate::words::{Word, Words};
use bytes::{BufMut, Bytes, BytesMut};
use std::convert::Infallible;
use tierway_decide::CallRecord;

/// Columns of [`row::COLUMNS`] by their width in the table.
const SMALL: [usize; 6] = [1, 2, 4, 5, 6, 7];
const MEDIUM: [usize; 12] = [3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// A row is about 400 bytes.
const ROW_BYTES: usize = 512;
/// Field lengths are signed; this one says null.
const NULL: i32 = -1;

/// Rows to be sent.
pub(super) struct Rows {
    out: BytesMut,
    scratch: Scratch,
    spelled: Vec<u8>,
}

/// The statement that takes them.
pub(super) fn statement() -> String {
    format!("COPY calls ({}, spelled) FROM STDIN (FORMAT binary)", row::COLUMNS)
}

impl Rows {
    pub(super) fn new(expected: usize) -> Self {
        let mut out = BytesMut::with_capacity(expected * ROW_BYTES);
        out.put_slice(SIGNATURE);
        out.put_i32(0); // no flags
        out.put_i32(0); // no header extension
        Self { out, scratch: Scratch::default(), spelled: Vec::new() }
    }

    /// Packs one; gives its checksum.
    pub(super) fn add(&mut self, call: &CallRecord, words: &Words) -> i64 {
        let (out, spelled) = (&mut self.out, &mut self.spelled);
        out.put_i16(row::column::CHECKSUM as i16 + 2);
        spelled.clear();
        let mut spellings = 0;
        let mut at = 0;
        let word = |Word { text, .. }: Word<'_>| {
            let number = words.get(text).unwrap_or_else(|| {
                spellings += 1;
                put_bytes(spelled, text.as_bytes());
                -i64::from(spellings)
            });
            Ok::<_, Infallible>(Value::Integer(number))
        };
        let Ok(checksum) = row::put(call, &mut self.scratch, word, |value| {
            put_value(out, at, value);
            at += 1;
            Ok(())
        });
        put_texts(out, spellings, spelled);
        checksum
    }

    pub(super) fn finish(mut self) -> Bytes {
        self.out.put_i16(-1);
        self.out.freeze()
    }
}

/// Counts and codes fit their columns: [`crate::bounds`] and the types of a record see to that.
#[expect(clippy::cast_possible_truncation, reason = "values are smaller than their columns")]
fn put_value(out: &mut BytesMut, at: usize, value: Value) {
    match value {
        Value::Null => out.put_i32(NULL),
        Value::Integer(number) if SMALL.contains(&at) => {
            out.put_i32(2);
            out.put_i16(number as i16);
        }
        Value::Integer(number) if MEDIUM.contains(&at) => {
            out.put_i32(4);
            out.put_i32(number as i32);
        }
        Value::Integer(number) => {
            out.put_i32(8);
            out.put_i64(number);
        }
        Value::Real(number) => {
            out.put_i32(4);
            out.put_f32(number as f32);
        }
        Value::Text(text) => put_bytes(out, text.as_bytes()),
        Value::Blob(bytes) => put_bytes(out, bytes),
    }
}

fn put_bytes(out: &mut impl BufMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

/// A one-dimensional `text[]`, or null without elements.
fn put_texts(out: &mut BytesMut, count: i32, elements: &[u8]) {
    const TEXT_OID: i32 = 25;
    if count == 0 {
        return out.put_i32(NULL);
    }
    out.put_i32(i32::try_from(20 + elements.len()).unwrap_or(i32::MAX));
    for number in [1, 0, TEXT_OID, count, 1] {
        out.put_i32(number);
    }
    out.put_slice(elements);
}
