//! Divides the unpacked bytes of an object into records, one at a time.
//!
//! Text is UTF-8, or UTF-16 with a byte order mark, which is read as if it were UTF-8; positions count the UTF-8.
//!
//! Records are numbered from 0, the bad ones too; what is no record (an empty line, the names at the top of a CSV
//! object) has no number. A reader that knows the next number of an object whose etag is unchanged goes on exactly
//! there with [`Records::skip_to`] (O1).

mod array;
mod csv;
mod json;
mod lines;
mod partial;
mod row;
mod separator;
mod text;

use bytes::Bytes;

use super::{
    decode::Decoded,
    error::ReadError,
    format::{Dialect, Format},
};
use crate::json::body::MAX_DEPTH;
pub use row::{MAX_COLUMNS, MAX_HEADER_BYTES};

/// The longest record, in bytes: a document's body of 2 MiB, and room for what is lifted out of it and for spaces.
/// It holds for the record as it stands in the object, and for a CSV record also as the JSON object that it becomes.
pub const MAX_RECORD_BYTES: usize = (2 << 20) + (64 << 10);

/// The byte order mark that some programs put before UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// One record of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its index in the object.
    pub number: u64,
    /// The line it begins on, from 1; `None` in an array.
    pub line: Option<u64>,
    /// Its JSON text, which nobody has checked yet, or why it has none.
    pub content: Result<Bytes, BadRecord>,
}

/// Why a record cannot be read. The next one can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum BadRecord {
    #[error("has more than {MAX_RECORD_BYTES} bytes")]
    TooLong,
    #[error("has more than {MAX_RECORD_BYTES} bytes as a JSON object")]
    TooLongAsJson,
    #[error("is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("has {found} fields where the header has {expected}")]
    FieldCount { found: u64, expected: usize },
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("has a quoted field that the object ends in; its quote may have been opened by mistake")]
    OpenQuote,
}

/// What a splitter did with its input.
#[derive(Debug)]
struct Step {
    /// All of the input, or up to the end of the piece.
    used: usize,
    piece: Option<Piece>,
}

/// A record without its number.
#[derive(Debug)]
struct Piece {
    line: Option<u64>,
    content: Result<Bytes, BadRecord>,
}

/// The object's structure is broken; `at` counts from the start of the input.
#[derive(Debug)]
struct Broken {
    at: usize,
    why: String,
}

/// A format, fed with chunks. With `keep` false the content of a piece may be anything, and nothing is buffered for
/// it; `keep` never turns true within a piece.
trait Split: Send {
    fn step(&mut self, input: &[u8], keep: bool) -> Result<Step, Broken>;
    /// The object ends here.
    fn end(&mut self, keep: bool) -> Result<Option<Piece>, Broken>;
    /// How much it has allocated: what a test of O3 counts.
    #[cfg(test)]
    fn capacity(&self) -> usize;
}

/// The records of one object.
pub struct Records {
    bytes: text::Text,
    splitter: Box<dyn Split>,
    /// How much of a byte order mark was found, until it is known whether there is one.
    mark: Option<usize>,
    next: u64,
    wanted: u64,
    ended: bool,
    failed: Option<ReadError>,
}

impl Records {
    /// The records in `bytes`.
    #[must_use]
    pub fn new(bytes: Decoded, format: Format) -> Self {
        Self::in_dialect(bytes, format, Dialect::default())
    }

    /// The records in `bytes`, written so if they are CSV.
    #[must_use]
    pub fn in_dialect(bytes: Decoded, format: Format, dialect: Dialect) -> Self {
        let splitter: Box<dyn Split> = match format {
            Format::NdJson => Box::<lines::Lines>::default(),
            Format::JsonArray => Box::<json::Json>::default(),
            Format::Csv => Box::new(csv::Rows::new(dialect)),
        };
        Self { bytes: text::Text::new(bytes), splitter, mark: Some(0), next: 0, wanted: 0, ended: false, failed: None }
    }

    /// The records before `number` will be passed over unread; their numbers count. There is no way back.
    pub fn skip_to(&mut self, number: u64) {
        self.wanted = self.wanted.max(number);
    }

    /// The next record, `None` at the end. Cancel safe. An error ends the object, and is told again if asked again.
    pub async fn next(&mut self) -> Result<Option<Record>, ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let next = self.pull().await;
        self.failed = next.as_ref().err().cloned();
        next
    }

    /// The number that the next record will have; at the end, how many there are.
    #[cfg(test)]
    fn next_number(&self) -> u64 {
        self.next
    }

    /// How many unpacked bytes were read, as UTF-8.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.bytes.position()
    }

    async fn pull(&mut self) -> Result<Option<Record>, ReadError> {
        while !self.ended {
            let keep = self.next >= self.wanted;
            if let Some(Piece { line, content }) = self.feed(keep).await? {
                let number = self.next;
                self.next += 1;
                if keep {
                    return Ok(Some(Record { number, line, content }));
                }
            }
        }
        Ok(None)
    }

    /// Gives the splitter one chunk, or the end.
    async fn feed(&mut self, keep: bool) -> Result<Option<Piece>, ReadError> {
        let position = self.bytes.position();
        let chunk = self.bytes.fill().await?;
        if let Some(known) = self.mark {
            let (used, mark) = find_mark(chunk, known);
            self.bytes.consume(used);
            self.mark = mark;
            // What looked like a mark may turn out to be the beginning of the content.
            let content = MARK.get(..known + used).filter(|found| mark.is_none() && *found != MARK).unwrap_or_default();
            let start = position - known as u64;
            return Ok(self.splitter.step(content, keep).map_err(|broken| broken.after(start))?.piece);
        }
        if chunk.is_empty() {
            self.ended = true;
            return self.splitter.end(keep).map_err(|broken| broken.after(position));
        }
        let Step { used, piece } = self.splitter.step(chunk, keep).map_err(|broken| broken.after(position))?;
        self.bytes.consume(used);
        Ok(piece)
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.splitter.capacity()
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("bytes", &self.bytes).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Broken {
    fn after(self, position: u64) -> ReadError {
        let Self { at, why } = self;
        ReadError::Structure { at: position + at as u64, why }
    }
}

/// How many bytes of the chunk go on with a mark of which `matched` bytes are known, and how many there are then;
/// `None` when the search is over, found or not.
fn find_mark(chunk: &[u8], matched: usize) -> (usize, Option<usize>) {
    let rest = MARK.get(matched..).unwrap_or_default();
    let used = rest.iter().zip(chunk).take_while(|(mark, byte)| mark == byte).count();
    let goes_on = used < rest.len() && used == chunk.len() && !chunk.is_empty();
    (used, goes_on.then_some(matched + used))
}

/// The space that JSON allows.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod array_tests;
#[cfg(test)]
mod csv_tests;
#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod lines_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod tests;
