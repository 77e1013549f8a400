//! A CSV record becomes a JSON object: the header's names, and every value as a string. No types are guessed: `007`,
//! `1e3` and `true` stay what they were, and an empty field is `""`.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::{BadRecord, MAX_RECORD_BYTES};

/// The most columns: as many as a spreadsheet has.
pub const MAX_COLUMNS: usize = 16_384;

/// The longest header, in bytes. Every record repeats it.
pub const MAX_HEADER_BYTES: usize = 256 << 10;

/// The names of the columns, as they stand in every object: `"name":`.
#[derive(Debug)]
pub(super) struct Header {
    keys: Vec<Box<str>>,
    /// Braces, commas, keys and quotes: an object whose values are empty.
    fixed_bytes: usize,
}

impl Header {
    /// Names must be there and differ: a document has no room for two values under one name, and none for a value
    /// under no name. Unless `is_strict`, columns that lack such a name get one.
    pub(super) fn new(record: Row<'_>, is_strict: bool) -> Result<Self, String> {
        let too_long = || format!("the header has more than {MAX_HEADER_BYTES} bytes");
        if record.bytes.len() > MAX_HEADER_BYTES {
            return Err(too_long());
        }
        let names = record.fields().collect::<Option<Vec<_>>>().ok_or("the header is not UTF-8")?;
        if is_strict {
            check(&names)?;
        }
        let names = completed(names);
        if names.iter().map(String::len).sum::<usize>() > MAX_HEADER_BYTES {
            return Err(too_long());
        }
        let mut keys = Vec::with_capacity(names.len());
        for name in names {
            let mut key = String::with_capacity(escaped_length(&name) + 3);
            push_string(&mut key, &name);
            key.push(':');
            keys.push(key.into_boxed_str());
        }
        let fixed_bytes = keys.iter().map(|key| key.len() + 3).sum::<usize>() + 1;
        Ok(Self { keys, fixed_bytes })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The object, measured before it is written: one byte may become six.
    pub(super) fn object(&self, record: Row<'_>) -> Result<Bytes, BadRecord> {
        let mut length = self.fixed_bytes;
        for field in record.fields() {
            length += escaped_length(field.ok_or(BadRecord::NotUtf8)?);
        }
        if length > MAX_RECORD_BYTES {
            return Err(BadRecord::TooLongAsJson);
        }
        let mut object = String::with_capacity(length);
        for (key, value) in self.keys.iter().zip(record.fields().flatten()) {
            object.push(if object.is_empty() { '{' } else { ',' });
            object.push_str(key);
            push_string(&mut object, value);
        }
        object.push('}');
        debug_assert_eq!(object.len(), length);
        Ok(object.into())
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.keys.iter().map(|key| key.len() + size_of::<Box<str>>()).sum()
    }
}

/// Whether every column has a name of its own.
fn check(names: &[&str]) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(names.len());
    for (column, name) in (1..).zip(names) {
        if name.is_empty() {
            return Err(format!("column {column} of the header has no name"));
        }
        if !seen.insert(name) {
            let name: String = name.chars().take(64).collect();
            return Err(format!("column {column} of the header repeats the name {name:?}"));
        }
    }
    Ok(())
}

/// Gives a column without a name that of its index, `column0`, and one that repeats a name a number, `a_1`: the first
/// that no other column has.
fn completed(names: Vec<&str>) -> Vec<String> {
    let mut taken: HashSet<String> =
        names.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()).collect();
    let mut seen = HashSet::with_capacity(names.len());
    // What comes next for a name: a header of nothing but repetitions is read in linear time.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut completed = Vec::with_capacity(names.len());
    for (column, name) in names.into_iter().enumerate() {
        if !name.is_empty() && seen.insert(name) {
            completed.push(name.to_owned());
            continue;
        }
        let (base, first) = if name.is_empty() { (format!("column{column}"), 0) } else { (name.to_owned(), 1) };
        let number = numbers.entry(base.clone()).or_insert(first);
        loop {
            let candidate = if *number == 0 { base.clone() } else { format!("{base}_{number}") };
            *number += 1;
            if taken.insert(candidate.clone()) {
                completed.push(candidate);
                break;
            }
        }
    }
    completed
}

/// The unquoted fields of a record, one after the other, and where each ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) ends: &'a [usize],
}

impl<'a> Row<'a> {
    /// `None` for a field that is not UTF-8. Each is judged alone: two halves of a letter in neighbouring fields do not
    /// make one.
    fn fields(self) -> impl Iterator<Item = Option<&'a str>> {
        self.ends.iter().scan(0, move |start, &end| {
            let field = self.bytes.get(*start..end).unwrap_or_default();
            *start = end;
            Some(simdutf8::basic::from_utf8(field).ok())
        })
    }
}

/// The letter that escapes a byte, `u` if it takes four digits, `None` if it stands for itself.
const fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        0x08 => Some(b'b'),
        0x0C => Some(b'f'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        0x00..=0x1F => Some(b'u'),
        _ => None,
    }
}

fn escaped_length(text: &str) -> usize {
    let extra = |byte| match escape(byte) {
        None => 0,
        Some(b'u') => 5,
        Some(_) => 1,
    };
    text.len() + text.bytes().map(extra).sum::<usize>()
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some((at, letter)) = rest.bytes().enumerate().find_map(|(at, byte)| Some((at, escape(byte)?))) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        out.push('\\');
        out.push(char::from(letter));
        let (byte, after) = special.split_at(1);
        if letter == b'u' {
            let hex =
                byte.bytes().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|d| char::from_digit(d.into(), 16));
            out.push_str("00");
            out.extend(hex);
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}
