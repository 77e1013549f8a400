//! JSON as the bytes of a `google.protobuf.Struct`, with nothing in between: as objects in
//! memory it would take up to a hundred times its text.
//!
//! A message has its length before it where it stands in another one. So the text is read
//! twice: first to add up the lengths, and then to write what they belong to.

use std::{borrow::Cow, vec};

use prost::encoding::{encode_varint, encoded_len_varint};

use super::text::invalid;
use crate::json::{
    body::{BodyError, not_an_object, utf8},
    scan::{Cursor, Kind},
};

// The keys of the fields, each a byte: its number, and how its value is told.
const STRUCT_ENTRY: u8 = delimited_field(1);
const ENTRY_KEY: u8 = delimited_field(1);
const ENTRY_VALUE: u8 = delimited_field(2);
const LIST_ITEM: u8 = delimited_field(1);
const NULL: u8 = 1 << 3;
const NUMBER: u8 = 2 << 3 | 1;
const STRING: u8 = delimited_field(3);
const BOOL: u8 = 4 << 3;
const STRUCT: u8 = delimited_field(5);
const LIST: u8 = delimited_field(6);

const fn delimited_field(number: u8) -> u8 {
    number << 3 | 2
}

/// How long a field is whose value has so many bytes.
fn delimited(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

/// A JSON object that is about to become a Struct.
pub(super) struct Plan<'j> {
    json: &'j str,
    /// Of each object and list, in the order of the text.
    lengths: Vec<usize>,
}

impl<'j> Plan<'j> {
    /// Reads it for the first time.
    pub fn of(json: &'j [u8]) -> Result<Self, BodyError> {
        let json = utf8(json)?;
        let mut cursor = Cursor::new(json);
        if cursor.kind()? != Kind::Object {
            return Err(not_an_object(cursor));
        }
        let mut lengths = Vec::new();
        measure_object(&mut cursor, &mut lengths)?;
        cursor.finish()?;
        Ok(Self { json, lengths })
    }

    /// How many bytes it will be.
    pub fn bytes(&self) -> usize {
        self.lengths.first().copied().unwrap_or_default()
    }

    /// Reads it again.
    pub fn write(self) -> Result<Vec<u8>, BodyError> {
        let mut writer = Writer { out: Vec::with_capacity(self.bytes()), lengths: self.lengths.into_iter() };
        writer.lengths.next();
        let mut cursor = Cursor::new(self.json);
        // Passes over white space before it.
        cursor.kind()?;
        writer.object(&mut cursor)?;
        Ok(writer.out)
    }
}

/// A Value. Of an object or a list the length alone: its members still stand before the cursor.
enum Piece<'j> {
    Null,
    Number(f64),
    String(Cow<'j, str>),
    Bool(bool),
    Object(usize),
    Array(usize),
}

impl Piece<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 2,
            Self::Number(_) => 1 + size_of::<f64>(),
            Self::String(text) => delimited(text.len()),
            Self::Object(length) | Self::Array(length) => delimited(*length),
        }
    }
}

/// Numbers become doubles: integers above 2^53 lose digits, `1e999` becomes the largest double.
fn scalar<'j>(cursor: &mut Cursor<'j>, kind: Kind) -> Result<Piece<'j>, BodyError> {
    Ok(match kind {
        Kind::String => Piece::String(cursor.string()?.decode()),
        Kind::Bool => Piece::Bool(cursor.boolean()?),
        Kind::Null => {
            cursor.null()?;
            Piece::Null
        }
        Kind::Number | Kind::Object | Kind::Array => match cursor.number()?.parse::<f64>() {
            Ok(number) => Piece::Number(number.clamp(f64::MIN, f64::MAX)),
            Err(_) => return Err(invalid("is not a number")),
        },
    })
}

fn measure(cursor: &mut Cursor<'_>, lengths: &mut Vec<usize>) -> Result<usize, BodyError> {
    let piece = match cursor.kind()? {
        Kind::Object => Piece::Object(measure_object(cursor, lengths)?),
        Kind::Array => {
            let (place, mut length) = (begin(lengths), 0);
            cursor.array(|cursor, _| {
                length += delimited(measure(cursor, lengths)?);
                Ok::<(), BodyError>(())
            })?;
            Piece::Array(end(lengths, place, length))
        }
        kind => scalar(cursor, kind)?,
    };
    Ok(piece.bytes())
}

fn measure_object(cursor: &mut Cursor<'_>, lengths: &mut Vec<usize>) -> Result<usize, BodyError> {
    let (place, mut length) = (begin(lengths), 0);
    cursor.object(|cursor, key, _| {
        let entry = delimited(key.decode().len()) + delimited(measure(cursor, lengths)?);
        length += delimited(entry);
        Ok::<(), BodyError>(())
    })?;
    Ok(end(lengths, place, length))
}

fn begin(lengths: &mut Vec<usize>) -> usize {
    lengths.push(0);
    lengths.len() - 1
}

fn end(lengths: &mut [usize], place: usize, length: usize) -> usize {
    if let Some(known) = lengths.get_mut(place) {
        *known = length;
    }
    length
}

struct Writer {
    lengths: vec::IntoIter<usize>,
    out: Vec<u8>,
}

impl Writer {
    fn next<'j>(&mut self, cursor: &mut Cursor<'j>) -> Result<Piece<'j>, BodyError> {
        let mut length = || self.lengths.next().unwrap_or_default();
        match cursor.kind()? {
            Kind::Object => Ok(Piece::Object(length())),
            Kind::Array => Ok(Piece::Array(length())),
            kind => scalar(cursor, kind),
        }
    }

    fn head(&mut self, field: u8, length: usize) {
        self.out.push(field);
        encode_varint(length as u64, &mut self.out);
    }

    fn text(&mut self, field: u8, text: &str) {
        self.head(field, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn object(&mut self, cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
        cursor.object(|cursor, key, _| {
            let key = key.decode();
            let value = self.next(cursor)?;
            self.head(STRUCT_ENTRY, delimited(key.len()) + delimited(value.bytes()));
            self.text(ENTRY_KEY, &key);
            self.value(ENTRY_VALUE, value, cursor)
        })
    }

    fn value(&mut self, field: u8, value: Piece<'_>, cursor: &mut Cursor<'_>) -> Result<(), BodyError> {
        self.head(field, value.bytes());
        match value {
            Piece::Null => self.out.extend_from_slice(&[NULL, 0]),
            Piece::Number(number) => {
                self.out.push(NUMBER);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Piece::String(text) => self.text(STRING, &text),
            Piece::Bool(value) => self.out.extend_from_slice(&[BOOL, value.into()]),
            Piece::Object(length) => {
                self.head(STRUCT, length);
                self.object(cursor)?;
            }
            Piece::Array(length) => {
                self.head(LIST, length);
                cursor.array(|cursor, _| {
                    let item = self.next(cursor)?;
                    self.value(LIST_ITEM, item, cursor)
                })?;
            }
        }
        Ok(())
    }
}
