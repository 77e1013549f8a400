//! The door for JSON bodies: what passes here is never questioned again.
//!
//! One pass checks the whole document (an object, no duplicate keys at any depth, depth, surrogates) and cuts
//! the top-level `_id` and `_event_time` out. Every other byte stays as it was: number text, key order and
//! escapes are the client's.

use std::ops::Range;

use bytes::Bytes;
use chrono::DateTime;

use super::keys::Keys;
use super::scan::{Cursor, Kind};

pub use super::{error::BodyError, scan::MAX_DEPTH};

/// The longest document id, in bytes.
pub const MAX_ID_BYTES: usize = 1024;

/// The range of google.protobuf.Timestamp, in microseconds: the years 0001 to 9999.
pub const EVENT_TIME_RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// What a JSON body held besides its own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifted {
    /// The object without top-level `_id` and `_event_time`; every other byte as it was.
    pub body: Bytes,
    /// Its top-level `_id`.
    pub id: Option<String>,
    /// Microseconds since the epoch; finer digits are cut off, towards the past.
    pub event_time: Option<i64>,
}

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum IdError {
    #[error("is empty")]
    Empty,
    #[error("has {length} bytes, more than {MAX_ID_BYTES}")]
    TooLong { length: usize },
    #[error("has the control character U+{:04X} at byte {at}", u32::from(*.character))]
    ControlCharacter { character: char, at: usize },
}

/// Ids are 1 to 1024 bytes of UTF-8 without control characters (neither C0 nor C1).
pub fn check_id(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong { length: id.len() });
    }
    match id.char_indices().find(|(_, c)| c.is_control()) {
        None => Ok(()),
        Some((at, character)) => Err(IdError::ControlCharacter { character, at }),
    }
}

/// What an empty `_id` or `_event_time` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Empty {
    /// Something that no id and no time can be.
    #[default]
    Counts,
    /// Nothing: where every value is a text, nothing else can say so.
    IsAbsent,
}

/// Checks a body and takes `_id` and `_event_time` out of it. The size is the caller's to limit, and so is
/// the id: it is compared with the outer field first, then checked with [`check_id`].
pub fn lift(json: &[u8]) -> Result<Lifted, BodyError> {
    lift_with(json, Empty::Counts)
}

/// The same, where an empty text may count as absent. It is lifted out all the same.
pub fn lift_with(json: &[u8], empty: Empty) -> Result<Lifted, BodyError> {
    let text = utf8(json)?;
    let mut cursor = Cursor::new(text);
    if cursor.kind()? != Kind::Object {
        return Err(not_an_object(cursor));
    }
    let begin = cursor.at();
    let (mut id, mut event_time) = (None, None);
    let mut keys = Keys::default();
    let mut names = keys.open();
    let mut cuts = Cuts::default();
    cursor.object(|cursor, key, start| {
        let name = key.decode();
        keys.insert(&mut names, &name, name.clone())?;
        match &*name {
            "_id" => id = read_id(cursor, empty)?,
            "_event_time" => event_time = read_event_time(cursor, empty)?,
            _ => {
                check(cursor, &mut keys).map_err(|error| error.inside(&name))?;
                cuts.keep(start, cursor.at());
                return Ok(());
            }
        }
        cuts.lift(start, cursor.at());
        Ok::<(), BodyError>(())
    })?;
    let end = cursor.at();
    cursor.finish()?;
    Ok(Lifted { body: cuts.apply(json, begin..end), id, event_time })
}

/// Checks any JSON value, such as one in a patch, by the rules of a body. Nothing is lifted.
pub fn check_value(json: &[u8]) -> Result<(), BodyError> {
    let mut cursor = Cursor::new(utf8(json)?);
    check(&mut cursor, &mut Keys::default())?;
    Ok(cursor.finish()?)
}

/// Why a text is no object: it is another value, or no JSON.
pub(super) fn not_an_object(mut cursor: Cursor<'_>) -> BodyError {
    let found = cursor.found().and_then(|found| cursor.finish().map(|()| found));
    found.map_or_else(Into::into, |found| BodyError::NotAnObject { found })
}

pub(super) fn utf8(json: &[u8]) -> Result<&str, BodyError> {
    simdutf8::basic::from_utf8(json).map_err(|_| {
        let at = std::str::from_utf8(json).err().map_or(0, |error| error.valid_up_to());
        BodyError::InvalidUtf8 { at }
    })
}

fn check<'a>(cursor: &mut Cursor<'a>, keys: &mut Keys<'a>) -> Result<(), BodyError> {
    match cursor.kind()? {
        Kind::Object => {
            let mut names = keys.open();
            cursor.object(|cursor, key, _| {
                let name = key.decode();
                keys.insert(&mut names, &name, name.clone())?;
                match cursor.kind()? {
                    Kind::Object | Kind::Array => check(cursor, keys).map_err(|error| error.inside(&name)),
                    _ => Ok(cursor.skip_scalar()?),
                }
            })?;
            keys.close(&names);
            Ok(())
        }
        Kind::Array => cursor.array(|cursor, index| check(cursor, keys).map_err(|error| error.inside(index))),
        _ => Ok(cursor.skip_scalar()?),
    }
}

fn read_id(cursor: &mut Cursor<'_>, empty: Empty) -> Result<Option<String>, BodyError> {
    match cursor.kind()? {
        Kind::String => {
            let id = cursor.string()?.decode().into_owned();
            Ok(Some(id).filter(|id| empty == Empty::Counts || !id.is_empty()))
        }
        Kind::Number => integer_id(cursor.number()?)
            .map(|id| Some(id.to_owned()))
            .ok_or(BodyError::BadId { found: "a number with a fraction or an exponent" }),
        _ => Err(BodyError::BadId { found: cursor.found()? }),
    }
}

fn read_event_time(cursor: &mut Cursor<'_>, empty: Empty) -> Result<Option<i64>, BodyError> {
    let bad = |why| BodyError::BadEventTime { why };
    let time = match cursor.kind()? {
        Kind::String => {
            let text = cursor.string()?.decode();
            if empty == Empty::IsAbsent && text.is_empty() {
                return Ok(None);
            }
            time_of_text(&text)
        }
        Kind::Number => {
            let text = cursor.number()?;
            if is_integer(text) { time_of_millis(text) } else { Err("is not an integer number of milliseconds") }
        }
        _ => {
            cursor.skip()?;
            Err("is neither an RFC 3339 string nor a number of milliseconds")
        }
    };
    time.map(Some).map_err(bad)
}

/// The id that an integer is; `None` for another number.
#[must_use]
pub fn integer_id(number: &str) -> Option<&str> {
    match number {
        // No number has two ids.
        "-0" => Some("0"),
        _ => Some(number).filter(|number| is_integer(number)),
    }
}

/// An event time in a string. Digits count as milliseconds, too: CSV has nothing but strings, and no RFC 3339 time
/// looks like that.
pub fn time_of_text(text: &str) -> Result<i64, &'static str> {
    if is_integer(text) {
        return time_of_millis(text);
    }
    let why = "is neither an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z, nor milliseconds";
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| why)?;
    in_range(time.timestamp_micros())
}

/// An event time in whole milliseconds since the epoch.
pub fn time_of_millis(digits: &str) -> Result<i64, &'static str> {
    let micros = digits.parse::<i64>().ok().and_then(|millis| millis.checked_mul(1000));
    in_range(micros.ok_or("is out of range")?)
}

fn in_range(micros: i64) -> Result<i64, &'static str> {
    if EVENT_TIME_RANGE.contains(&micros) { Ok(micros) } else { Err("lies outside the years 0001 to 9999") }
}

/// Whether a text is digits, perhaps behind a minus.
#[must_use]
pub fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which bytes of the object go: each lifted member with exactly one comma beside it.
#[derive(Default)]
struct Cuts {
    /// Two members can be lifted, so there are at most two cuts.
    done: [Range<usize>; 2],
    count: usize,
    /// Lifted members not yet followed by a kept one.
    open: Option<Range<usize>>,
    last_kept: Option<usize>,
}

impl Cuts {
    #[inline]
    fn keep(&mut self, start: usize, end: usize) {
        if let Some(open) = self.open.take() {
            self.push(open.start..start);
        }
        self.last_kept = Some(end);
    }

    fn lift(&mut self, start: usize, end: usize) {
        let start = self.open.as_ref().map_or(start, |open| open.start);
        self.open = Some(start..end);
    }

    fn push(&mut self, cut: Range<usize>) {
        if let Some(slot) = self.done.get_mut(self.count) {
            *slot = cut;
            self.count += 1;
        }
    }

    fn apply(mut self, json: &[u8], object: Range<usize>) -> Bytes {
        // No comma follows the last members, so the one before them goes instead.
        if let Some(open) = self.open.take() {
            self.push(self.last_kept.unwrap_or(open.start)..open.end);
        }
        let mut body = Vec::with_capacity(object.len());
        let mut from = object.start;
        for cut in self.done.into_iter().take(self.count) {
            body.extend_from_slice(json.get(from..cut.start).unwrap_or_default());
            from = cut.end;
        }
        body.extend_from_slice(json.get(from..object.end).unwrap_or_default());
        Bytes::from(body)
    }
}

#[cfg(test)]
mod tests;
