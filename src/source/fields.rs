//! A record into a document: its id, its event time and its body.
//!
//! `_id` and `_event_time` are lifted out of a record as out of every body. A source may name other top-level fields
//! for the same purpose: they are read by the same rules and stay where they are. Where both are there, they must
//! agree.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{format::Format, origin::Origin};
use crate::json::body::{
    BodyError, Empty, IdError, check_id, integer_id, is_integer, lift_with, time_of_millis, time_of_text,
};

/// The longest name of a field, in bytes.
pub const MAX_FIELD_NAME_BYTES: usize = 256;

/// Why a name cannot be an id field or an event-time field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum FieldNameError {
    #[error("is empty; leave it out instead")]
    Empty,
    #[error("has {length} bytes, more than {MAX_FIELD_NAME_BYTES}")]
    TooLong { length: usize },
    #[error("{0} is lifted out of every record and cannot serve another purpose")]
    Lifted(&'static str),
}

/// Why a record is not a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum FieldError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("id {0}")]
    Id(#[from] IdError),
    #[error("the id field is {found}, neither a string nor an integer")]
    BadId { found: &'static str },
    #[error("the event-time field {why}")]
    BadEventTime { why: &'static str },
    #[error("{lifted} and the field that the source names for it differ")]
    Disagree { lifted: &'static str },
}

/// The top-level fields that a source names, taken literally: a dot in a name is a dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldNames {
    id: Option<String>,
    event_time: Option<String>,
    empty: Empty,
}

/// What the named fields of a record hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// A string as it is, an integer as its decimal text.
    pub id: Option<String>,
    /// Microseconds since the epoch; finer digits are cut off, towards the past.
    pub event_time: Option<i64>,
}

/// A record, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its own id, or the one of its place.
    pub id: String,
    /// Microseconds since the epoch, if it tells.
    pub event_time: Option<i64>,
    /// The object without `_id` and `_event_time`. Its size is the caller's to limit.
    pub body: Bytes,
}

impl FieldNames {
    /// Naming `_id` and `_event_time` for their own purpose is naming nothing: they are lifted anyway.
    pub fn new(id: Option<&str>, event_time: Option<&str>) -> Result<Self, FieldNameError> {
        Ok(Self {
            id: field(id, "_id", "_event_time")?,
            event_time: field(event_time, "_event_time", "_id")?,
            empty: Empty::Counts,
        })
    }

    /// The same for objects of a format: an empty cell of CSV counts as absent.
    #[must_use]
    pub fn of_format(&self, format: Format) -> Self {
        let empty = if format == Format::Csv { Empty::IsAbsent } else { Empty::Counts };
        Self { empty, ..self.clone() }
    }

    /// Makes a document of the record with this number.
    pub fn document(&self, record: &[u8], origin: Origin, number: u64) -> Result<Document, FieldError> {
        let lifted = lift_with(record, self.empty)?;
        let named = self.read(&lifted.body)?;
        let id = agree(lifted.id, named.id, "_id")?.unwrap_or_else(|| origin.id(number));
        check_id(&id)?;
        let event_time = agree(lifted.event_time, named.event_time, "_event_time")?;
        Ok(Document { id, event_time, body: lifted.body })
    }

    /// Reads the named fields of a body that has been lifted; a field that is not there is `None`.
    pub fn read(&self, body: &[u8]) -> Result<Named, FieldError> {
        if self.id.is_none() && self.event_time.is_none() {
            return Ok(Named::default());
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        // What was lifted is a sound object: this is for callers who forgot.
        let found =
            json.deserialize_map(Fields(self)).map_err(|_| BodyError::NotAnObject { found: "something else" })?;
        let id = found.id.map(|raw| read_id(raw.get(), self.empty)).transpose()?;
        let event_time = found.event_time.map(|raw| read_event_time(raw.get(), self.empty)).transpose()?;
        Ok(Named { id: id.flatten(), event_time: event_time.flatten() })
    }
}

fn field(name: Option<&str>, own: &str, other: &'static str) -> Result<Option<String>, FieldNameError> {
    match name {
        None => Ok(None),
        Some("") => Err(FieldNameError::Empty),
        Some(name) if name.len() > MAX_FIELD_NAME_BYTES => Err(FieldNameError::TooLong { length: name.len() }),
        Some(name) if name == other => Err(FieldNameError::Lifted(other)),
        Some(name) => Ok(Some(name.to_owned()).filter(|name| name != own)),
    }
}

fn agree<T: PartialEq>(ours: Option<T>, named: Option<T>, lifted: &'static str) -> Result<Option<T>, FieldError> {
    match (ours, named) {
        (Some(ours), Some(named)) if ours != named => Err(FieldError::Disagree { lifted }),
        (ours, named) => Ok(ours.or(named)),
    }
}

fn read_id(raw: &str, empty: Empty) -> Result<Option<String>, FieldError> {
    match kind(raw) {
        Kind::String(text) => Ok(Some(text).filter(|text| empty == Empty::Counts || !text.is_empty())),
        Kind::Integer(digits) => Ok(integer_id(digits).map(str::to_owned)),
        Kind::Other(found) => Err(FieldError::BadId { found }),
    }
}

fn read_event_time(raw: &str, empty: Empty) -> Result<Option<i64>, FieldError> {
    let time = match kind(raw) {
        Kind::String(text) if text.is_empty() && empty == Empty::IsAbsent => return Ok(None),
        Kind::String(text) => time_of_text(&text),
        Kind::Integer(digits) => time_of_millis(digits),
        Kind::Other(_) => Err("is neither an RFC 3339 string nor an integer number of milliseconds"),
    };
    time.map(Some).map_err(|why| FieldError::BadEventTime { why })
}

/// What a value is, as far as a named field cares.
enum Kind<'a> {
    String(String),
    Integer(&'a str),
    Other(&'static str),
}

fn kind(raw: &str) -> Kind<'_> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map_or(Kind::Other("no valid string"), Kind::String),
        Some(b'-' | b'0'..=b'9') if is_integer(raw) => Kind::Integer(raw),
        Some(b'-' | b'0'..=b'9') => Kind::Other("a number with a fraction or an exponent"),
        Some(b'{') => Kind::Other("an object"),
        Some(b'[') => Kind::Other("an array"),
        Some(b'n') => Kind::Other("null"),
        _ => Kind::Other("a boolean"),
    }
}

/// Picks the named members out of an object and passes over the others.
struct Fields<'n>(&'n FieldNames);

#[derive(Default)]
struct Found<'de> {
    id: Option<&'de RawValue>,
    event_time: Option<&'de RawValue>,
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut found = Found::default();
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            if !key.is_id && !key.is_event_time {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            // One field may be both.
            let value = map.next_value()?;
            found.id = if key.is_id { Some(value) } else { found.id };
            found.event_time = if key.is_event_time { Some(value) } else { found.event_time };
        }
        Ok(found)
    }
}

/// What a key is to us, told without keeping it.
struct Key<'n>(&'n FieldNames);

struct Role {
    is_id: bool,
    is_event_time: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Role;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Role, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Role;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Role, E> {
        let is = |name: &Option<String>| name.as_deref() == Some(key);
        Ok(Role { is_id: is(&self.0.id), is_event_time: is(&self.0.event_time) })
    }
}

#[cfg(test)]
mod tests;
