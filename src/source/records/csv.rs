//! CSV after RFC 4180: comma or what the source or a line `sep=;` at the top says, double quotes, `\n`, `\r\n` or `\r` at
//! the end of a record, a header at the top. Blank lines are no records.
//!
//! The reading of quotes is `csv-core`'s, which takes what it gets: a quote inside a bare field stands for itself, and
//! what follows a closing quote belongs to the field.

use bytes::Bytes;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr_iter;

use super::{
    BadRecord, Broken, MAX_RECORD_BYTES, Piece, Split, Step,
    row::{Header, MAX_COLUMNS, Row},
    separator::{Found, Separator},
};
use crate::source::format::Dialect;

/// What the buffers begin with.
const LEAST_BYTES: usize = 4 << 10;
const LEAST_ENDS: usize = 64;

/// The reader writes to the end of its buffer before it looks whether the record ends there.
const MAX_BUFFER: usize = MAX_RECORD_BYTES + 1;

#[derive(Debug)]
pub(super) struct Rows {
    reader: Reader,
    strict_header: bool,
    /// Looked for until it is known whether there is such a line.
    separator: Option<Separator>,
    header: Option<Header>,
    record: Current,
    /// The fields of the record and their ends: buffers, filled as far as `record` says.
    fields: Vec<u8>,
    ends: Vec<usize>,
    newlines: u64,
    has_read: bool,
}

/// What is known of the record being read.
#[derive(Clone, Copy, Debug, Default)]
struct Current {
    /// 0 between records.
    line: u64,
    /// As it stands in the object, its end included.
    bytes: usize,
    fields_filled: usize,
    ends_filled: usize,
    columns: u64,
    /// It is read to its end, but for nothing.
    is_unwanted: bool,
}

impl Rows {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            reader: reader(dialect.delimiter),
            strict_header: dialect.strict_header,
            separator: Some(Separator::default()),
            header: None,
            record: Current::default(),
            fields: vec![0; LEAST_BYTES],
            ends: vec![0; LEAST_ENDS],
            newlines: 0,
            has_read: false,
        }
    }

    /// Looks for a line that tells the delimiter; how many bytes that took.
    fn separator(&mut self, input: &[u8], keep: bool) -> usize {
        let mut used = 0;
        while let Some(byte) = input.get(used).copied() {
            let Some(separator) = &mut self.separator else { break };
            match separator.look(byte) {
                Found::Open => used += 1,
                Found::Line { delimiter, has_byte } => {
                    used += usize::from(has_byte);
                    self.newlines += u64::from(has_byte);
                    self.reader = reader(delimiter);
                    self.separator = None;
                }
                Found::Nothing => self.give_back(keep),
            }
        }
        used
    }

    /// What looked like the line is the beginning of the header.
    fn give_back(&mut self, keep: bool) {
        let seen = self.separator.take().map(Separator::into_seen).unwrap_or_default();
        if !seen.is_empty() {
            self.record.line = self.newlines + 1;
            self.read(&seen, keep);
        }
    }

    /// Reads on in the record; true when it ends. Uses all of the input otherwise.
    fn read(&mut self, input: &[u8], keep: bool) -> (usize, bool) {
        let keep = keep || self.header.is_none();
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            // The reader would take a second byte order mark away if its bytes came together: they do not.
            let rest = if std::mem::replace(&mut self.has_read, true) { rest } else { rest.get(..1).unwrap_or(rest) };
            let record = &mut self.record;
            record.is_unwanted |= !keep;
            if record.is_unwanted {
                // Written over and over.
                (record.fields_filled, record.ends_filled) = (0, 0);
            }
            let fields = self.fields.get_mut(record.fields_filled..).unwrap_or_default();
            let ends = self.ends.get_mut(record.ends_filled..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(rest, fields, ends);
            used += read;
            self.newlines += memchr_iter(b'\n', rest.get(..read).unwrap_or_default()).count() as u64;
            record.bytes = record.bytes.saturating_add(read);
            record.columns += ended as u64;
            record.fields_filled += written;
            record.ends_filled += ended;
            match result {
                ReadRecordResult::OutputFull if !record.is_unwanted => {
                    record.is_unwanted = !grow(&mut self.fields, MAX_BUFFER);
                }
                ReadRecordResult::OutputEndsFull if !record.is_unwanted => {
                    let columns = self.header.as_ref().map_or(MAX_COLUMNS, Header::len);
                    record.is_unwanted = !grow(&mut self.ends, columns);
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::Record | ReadRecordResult::End => return (used, true),
            }
        }
        (used, false)
    }

    /// The end of a record. The header is a piece of its own kind: none.
    fn finish(&mut self, keep: bool) -> Result<Option<Piece>, String> {
        let record = std::mem::take(&mut self.record);
        let is_too_long = record.bytes > MAX_RECORD_BYTES + 1;
        let bytes = self.fields.get(..record.fields_filled).unwrap_or_default();
        let ends = self.ends.get(..record.ends_filled).unwrap_or_default();
        let Some(header) = &self.header else {
            if record.columns > MAX_COLUMNS as u64 {
                return Err(format!("the header has more than {MAX_COLUMNS} columns"));
            }
            if is_too_long {
                return Err("the header is too long".to_owned());
            }
            self.header = Some(Header::new(Row { bytes, ends }, self.strict_header)?);
            return Ok(None);
        };
        let content = if !keep {
            Ok(Bytes::new())
        } else if is_too_long {
            Err(BadRecord::TooLong)
        } else if record.columns != header.len() as u64 {
            Err(BadRecord::FieldCount { found: record.columns, expected: header.len() })
        } else {
            header.object(Row { bytes, ends })
        };
        Ok(Some(Piece { line: Some(record.line), content }))
    }

    /// Passes over line ends before a record; how many bytes.
    fn blank(&mut self, input: &[u8]) -> usize {
        let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.newlines += memchr_iter(b'\n', input.get(..blank).unwrap_or_default()).count() as u64;
        blank
    }
}

impl Split for Rows {
    fn step(&mut self, input: &[u8], keep: bool) -> Result<Step, Broken> {
        let mut used = self.separator(input, keep);
        while used < input.len() {
            if self.record.line == 0 {
                used += self.blank(input.get(used..).unwrap_or_default());
                if used == input.len() {
                    break;
                }
                self.record.line = self.newlines + 1;
            }
            let (read, has_ended) = self.read(input.get(used..).unwrap_or_default(), keep);
            used += read;
            if has_ended {
                let piece = self.finish(keep).map_err(|why| Broken { at: used, why })?;
                if piece.is_some() {
                    return Ok(Step { used, piece });
                }
            }
        }
        Ok(Step { used, piece: None })
    }

    fn end(&mut self, keep: bool) -> Result<Option<Piece>, Broken> {
        let broken = |why: &str| Broken { at: 0, why: why.to_owned() };
        if self.separator.as_ref().is_some_and(|separator| !separator.is_whole()) {
            self.give_back(keep);
        }
        let line = self.record.line;
        let piece = if line == 0 {
            None
        } else if self.read(b"\n", keep).1 {
            self.finish(keep).map_err(|why| broken(&why))?
        } else {
            // Only a quoted field takes the end of a line for its own.
            Some(Piece { line: Some(line), content: Err(BadRecord::OpenQuote) })
        };
        match (&self.header, &piece) {
            (Some(_), _) => Ok(piece),
            (None, None) => Err(broken("the object has no header")),
            (None, Some(_)) => Err(broken("the header has a quoted field that does not end")),
        }
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        let header = self.header.as_ref().map_or(0, Header::capacity);
        self.fields.capacity() + self.ends.capacity() * size_of::<usize>() + header
    }
}

fn reader(delimiter: u8) -> Reader {
    ReaderBuilder::new().delimiter(delimiter).build()
}

/// Doubles a full buffer; false if it is as long as it may be.
fn grow<T: Clone + Default>(buffer: &mut Vec<T>, limit: usize) -> bool {
    let length = (buffer.len() * 2).min(limit);
    if length <= buffer.len() {
        return false;
    }
    buffer.reserve_exact(length - buffer.len());
    buffer.resize(length, T::default());
    true
}
