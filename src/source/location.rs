//! Where a source reads: `s3://bucket/prefix` or `file:///absolute/dir`.
//!
//! A location is normalised as it is parsed, so that equal places are equal values, and it compares by whole
//! segments. The rules, alike for both schemes:
//!
//! - `%41` is decoded once, in path segments only; a literal percent sign is written `%25`. (The AWS command line
//!   decodes nothing: its key `a%20b` is `a%2520b` here.) What a segment holds is judged after decoding, so an escape
//!   cannot smuggle in a `/` or a `..`.
//! - One slash at the end is dropped. Empty segments, `.` and `..` are refused, never resolved.
//! - A query, a fragment, a user, a port and a backslash are refused; so are control characters.
//! - Case and Unicode form are kept: names that look alike may be two places.
//!
//! It is a name, not a place: symbolic links are not resolved here. Whoever opens a `file` location resolves it
//! first, and holds [`Location::from_directory`] of the result against the list as well.

use std::{
    fmt,
    path::{Component, Path},
    str::FromStr,
};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// The longest text of a location, in bytes, as it is sent and as it is shown: an S3 key of 1024 bytes fits, each of
/// them escaped.
pub const MAX_LOCATION_BYTES: usize = 4096;

/// What is escaped when a location is shown. The comma is not special in a location, but separates them in lists.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b',')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Why a text is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum LocationError {
    #[error("must begin with s3:// or file:///")]
    Scheme,
    #[error("has {length} bytes, more than {MAX_LOCATION_BYTES}")]
    TooLong { length: usize },
    #[error("has the character {character:?} at byte {at}; write it percent-encoded if it belongs to a name")]
    Reserved { character: char, at: usize },
    #[error("may not hold a user or a password")]
    UserInfo,
    #[error("must be absolute and without a host, as in file:///dir")]
    NotAbsolute,
    #[error("has a bucket name that is not 3 to 63 of a-z 0-9 . -, beginning and ending with a letter or digit")]
    Bucket,
    #[error("has an empty segment")]
    EmptySegment,
    #[error("has the segment {0:?}")]
    Relative(String),
    #[error("has a percent sign that no two hexadecimal digits follow; write it as %25")]
    Escape,
    #[error("is not UTF-8 when percent-decoded")]
    NotUtf8,
    #[error("has the character {0:?} in a segment")]
    Character(char),
}

/// Which kind of store a location is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    /// The local file system.
    File,
    /// An S3 bucket.
    S3 {
        /// Its name.
        bucket: String,
    },
}

/// A directory or a prefix of whole segments. `location.to_string().parse() == Ok(location)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    store: Store,
    segments: Vec<String>,
}

impl Location {
    /// The store it is in.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The decoded segments; none is the root, or the whole bucket.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The decoded path, without a slash at either end. It is literal: for `object_store` it goes through
    /// `Path::parse`, as `Path::from` would escape it once more.
    #[must_use]
    pub fn path(&self) -> String {
        self.segments.join("/")
    }

    /// Whether `other` is this place or lies in it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.store == other.store && other.segments.starts_with(&self.segments)
    }

    /// The place in this one that has the segments of another behind its first few.
    #[must_use]
    pub fn with_end_of(&self, other: &Self, first: usize) -> Self {
        let end = other.segments.iter().skip(first);
        Self { store: self.store.clone(), segments: self.segments.iter().chain(end).cloned().collect() }
    }

    /// The location of an absolute directory, taken literally: nothing is decoded, no link is followed.
    pub fn from_directory(directory: &Path) -> Result<Self, LocationError> {
        if !directory.is_absolute() {
            return Err(LocationError::NotAbsolute);
        }
        let mut segments = Vec::new();
        for component in directory.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => segments.push(segment(name.to_str().ok_or(LocationError::NotUtf8)?)?),
                Component::ParentDir => return Err(LocationError::Relative("..".to_owned())),
                Component::Prefix(_) => return Err(LocationError::NotAbsolute),
            }
        }
        Ok(Self { store: Store::File, segments })
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text.len() > MAX_LOCATION_BYTES {
            return Err(LocationError::TooLong { length: text.len() });
        }
        if let Some((at, character)) =
            text.char_indices().find(|(_, c)| c.is_control() || matches!(c, '?' | '#' | '\\'))
        {
            return Err(LocationError::Reserved { character, at });
        }
        let (scheme, rest) = text.split_once("://").ok_or(LocationError::Scheme)?;
        let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
        let store = match scheme {
            "s3" | "file" if authority.contains('@') => return Err(LocationError::UserInfo),
            "s3" if is_bucket(authority) => Store::S3 { bucket: authority.to_owned() },
            "s3" => return Err(LocationError::Bucket),
            "file" if authority.is_empty() && path.is_some() => Store::File,
            "file" => return Err(LocationError::NotAbsolute),
            _ => return Err(LocationError::Scheme),
        };
        let path = path.unwrap_or_default();
        let segments = match path.strip_suffix('/').unwrap_or(path) {
            "" if path.is_empty() => Vec::new(),
            path => path.split('/').map(decode).collect::<Result<_, _>>()?,
        };
        let location = Self { store, segments };
        // What is stored is its own text, in which more may be escaped than was: it must be readable, too.
        match location.to_string().len() {
            length if length > MAX_LOCATION_BYTES => Err(LocationError::TooLong { length }),
            _ => Ok(location),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Store::File if self.segments.is_empty() => f.write_str("file:///")?,
            Store::File => f.write_str("file://")?,
            Store::S3 { bucket } => write!(f, "s3://{bucket}")?,
        }
        self.segments.iter().try_for_each(|segment| write!(f, "/{}", utf8_percent_encode(segment, ESCAPED)))
    }
}

/// The rules that S3 and those who speak its protocol share. They leave no room for a port, nor for an address.
fn is_bucket(name: &str) -> bool {
    let ends = [name.as_bytes().first(), name.as_bytes().last()];
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
        && ends.into_iter().flatten().all(u8::is_ascii_alphanumeric)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

fn decode(text: &str) -> Result<String, LocationError> {
    let escaped = |escape: &str| escape.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(escaped) {
        return Err(LocationError::Escape);
    }
    segment(&percent_decode_str(text).decode_utf8().map_err(|_| LocationError::NotUtf8)?)
}

fn segment(name: &str) -> Result<String, LocationError> {
    match name {
        "" => Err(LocationError::EmptySegment),
        "." | ".." => Err(LocationError::Relative(name.to_owned())),
        _ => match name.chars().find(|c| c.is_control() || matches!(c, '/' | '\\')) {
            Some(character) => Err(LocationError::Character(character)),
            None => Ok(name.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests;
