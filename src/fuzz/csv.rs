//! CSV. Beside what holds of every format: the records are those of a reader
//! that has all bytes before it, written to be obvious instead of quick; and
//! what was read, written again with every field in quotes, reads the same.

use std::collections::HashSet;

use serde_json::Value;

use super::records::{from, is_utf16, read, unmarked};
use crate::source::{
    format::Format,
    records::{BadRecord, MAX_COLUMNS, MAX_HEADER_BYTES, Record},
    testing::whole,
};

pub fn csv(data: &[u8]) {
    let (all, error) = read(data, Format::Csv);
    // Neither that nor a line that tells the delimiter is for the reader below.
    if is_utf16(data) || unmarked(data).get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep=")) {
        return;
    }
    let mut rows = rows(unmarked(data)).into_iter();
    let header = rows.next().and_then(header);
    assert_eq!(error.is_none(), header.is_some(), "{error:?}");
    let Some(header) = header else { return assert_eq!(all, []) };

    assert_eq!(all.len(), rows.len());
    let mut kept = Vec::new();
    for (record, row) in all.iter().zip(rows) {
        assert_eq!(record.line, Some(row.line));
        if let Some(members) = agreed(record, row, &header) {
            kept.push(members);
        }
    }
    reads_the_same_when_written_again(&header, &kept);
}

/// The fields of a record in the order of the header, if both take it for good.
fn agreed(record: &Record, row: Row, header: &[String]) -> Option<Vec<String>> {
    let Row { fields, is_open, .. } = row;
    let text: Result<Vec<_>, _> = fields.into_iter().map(String::from_utf8).collect();
    match &record.content {
        Err(BadRecord::OpenQuote) => assert!(is_open),
        Err(BadRecord::FieldCount { found, expected }) => {
            assert!(!is_open && *expected == header.len() && *found != header.len() as u64);
        }
        Err(BadRecord::NotUtf8) => assert!(text.is_err()),
        Err(reason @ (BadRecord::TooLong | BadRecord::TooLongAsJson | BadRecord::TooDeep)) => panic!("{reason}"),
        Ok(json) => {
            let fields = text.expect("UTF-8");
            let members = header.iter().cloned().zip(fields.iter().cloned().map(Value::from));
            let expected: serde_json::Map<_, _> = members.collect();
            assert!(!is_open && fields.len() == header.len());
            assert_eq!(std::str::from_utf8(json), Ok(Value::Object(expected).to_string().as_str()));
            return Some(fields);
        }
    }
    None
}

fn reads_the_same_when_written_again(header: &[String], rows: &[Vec<String>]) {
    let mut object = String::new();
    for row in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
        let quoted: Vec<_> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
        object.push_str(&quoted.join(","));
        object.push('\n');
    }
    let (again, error) = from(0, whole(object), Format::Csv);
    assert_eq!((again.len(), error), (rows.len(), None));
    for (record, fields) in again.iter().zip(rows) {
        let values = record.content.as_ref().map(|json| serde_json::from_slice::<serde_json::Map<_, _>>(json).unwrap());
        assert!(values.unwrap().into_iter().map(|(_, value)| value).eq(fields.iter().cloned().map(Value::from)));
    }
}

#[derive(Default)]
struct Row {
    line: u64,
    fields: Vec<Vec<u8>>,
    /// The object ends within its quotes.
    is_open: bool,
}

/// The names, if they are good for a header, with those for columns that have none of their own.
fn header(row: Row) -> Option<Vec<String>> {
    let names: Vec<_> = row.fields.into_iter().map(String::from_utf8).collect::<Result<_, _>>().ok()?;
    let is_small = |names: &[String]| {
        names.len() <= MAX_COLUMNS && names.iter().map(String::len).sum::<usize>() <= MAX_HEADER_BYTES
    };
    if row.is_open || !is_small(&names) {
        return None;
    }
    let names = completed(names);
    is_small(&names).then_some(names)
}

fn completed(names: Vec<String>) -> Vec<String> {
    let mut taken: HashSet<_> = names.iter().filter(|name| !name.is_empty()).cloned().collect();
    let mut seen = HashSet::new();
    let complete = |(column, name): (usize, String)| {
        if !name.is_empty() && seen.insert(name.clone()) {
            return name;
        }
        let base = if name.is_empty() { format!("column{column}") } else { name.clone() };
        let numbered = (1..).map(|number| format!("{base}_{number}"));
        let mut candidates = name.is_empty().then(|| base.clone()).into_iter().chain(numbered);
        candidates.find(|candidate| taken.insert(candidate.clone())).expect("there is no end of numbers")
    };
    names.into_iter().enumerate().map(complete).collect()
}

/// RFC 4180 as `csv-core` understands it.
fn rows(data: &[u8]) -> Vec<Row> {
    enum At {
        Start,
        Bare,
        Quoted,
        /// Behind a quote in a quoted field: its end, or half of a quote.
        Quote,
    }
    let (mut rows, mut row, mut at, mut line) = (Vec::new(), None::<Row>, At::Start, 1);
    for byte in data {
        let begins = row.is_none();
        line += u64::from(*byte == b'\n');
        if begins && matches!(byte, b'\n' | b'\r') {
            continue;
        }
        let current = row.get_or_insert_with(|| Row { line, fields: vec![Vec::new()], is_open: false });
        let field = current.fields.last_mut().expect("a field");
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Quote,
            (At::Quote, b'"') | (At::Quoted, _) => {
                field.push(*byte);
                At::Quoted
            }
            (At::Start, b'"') => At::Quoted,
            (_, b',') => {
                current.fields.push(Vec::new());
                At::Start
            }
            (_, b'\n' | b'\r') => {
                rows.extend(row.take());
                At::Start
            }
            (_, byte) => {
                field.push(*byte);
                At::Bare
            }
        };
    }
    if let Some(mut last) = row {
        last.is_open = matches!(at, At::Quoted);
        rows.push(last);
    }
    rows
}
