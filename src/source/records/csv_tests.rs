use std::fmt::Write as _;

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value};

use super::tests::{contents, read};
use super::*;

fn rows(object: &str) -> (Vec<(u64, String)>, Option<String>) {
    let (records, error) = read(object.to_owned(), Format::Csv);
    (records.iter().map(|record| record.line.unwrap()).zip(contents(&records)).collect(), error)
}

fn good(object: &str) -> Vec<(u64, String)> {
    let (rows, error) = rows(object);
    assert_eq!(error, None, "{object}");
    rows
}

fn row(line: u64, text: &str) -> (u64, String) {
    (line, text.to_owned())
}

#[test]
fn values_are_strings_under_the_names_of_the_header() {
    assert_eq!(good("a,b\n1,true\n,\"\"\n"), [row(2, r#"{"a":"1","b":"true"}"#), row(3, r#"{"a":"","b":""}"#)]);
    assert_eq!(good("a,b\r\n 007 , x\r\n"), [row(2, r#"{"a":" 007 ","b":" x"}"#)]);
    assert_eq!(good("\"a \"\"q\"\"\",\"b,c\"\n1,2"), [row(2, r#"{"a \"q\"":"1","b,c":"2"}"#)]);
    assert_eq!(good("a\n\u{1}\t\\/\u{7f}ä\u{1f}\n"), [row(2, "{\"a\":\"\\u0001\\t\\\\/\u{7f}ä\\u001f\"}")]);
    assert_eq!(good("a"), []);
    assert_eq!(good("\r\n\na\r\n"), []);
}

#[test]
fn every_byte_is_escaped_as_json_wants_it() {
    let value: String = (0..=0x7F_u8).map(char::from).collect();
    let expected = serde_json::json!({ "a": value }).to_string();
    assert_eq!(good(&format!("a\n{}", quoted(&value))), [row(2, &expected)]);
}

#[test]
fn records_may_span_lines_and_lines_may_be_blank() {
    let object = "a,b\n\n\"1\r\n2\",x\r\n\r\n\"\n\n\",\n3,\"\"\"\"";
    let expected =
        [row(3, r#"{"a":"1\r\n2","b":"x"}"#), row(6, r#"{"a":"\n\n","b":""}"#), row(9, r#"{"a":"3","b":"\""}"#)];
    assert_eq!(good(object), expected);
    // Old files end their lines with a bare carriage return, which no line number counts.
    assert_eq!(good("a\r1\r2\n3"), [row(1, r#"{"a":"1"}"#), row(1, r#"{"a":"2"}"#), row(2, r#"{"a":"3"}"#)]);
}

#[test]
fn loose_quotes_are_taken_as_they_are() {
    assert_eq!(good("a,b\n5\" pipe,\"x\"y\n"), [row(2, r#"{"a":"5\" pipe","b":"xy"}"#)]);
}

#[test]
fn a_bad_row_costs_itself() {
    let object = "a,b\n1\n1,2,3\n\"\"\n1,2\n,,,,,,,,\n3,4\n";
    let wrong = |line, found| (line, format!("<has {found} fields where the header has 2>"));
    let expected = [
        wrong(2, 1),
        wrong(3, 3),
        wrong(4, 1),
        row(5, r#"{"a":"1","b":"2"}"#),
        wrong(6, 9),
        row(7, r#"{"a":"3","b":"4"}"#),
    ];
    assert_eq!(good(object), expected);
    let wide = format!("a\n{}\n1", ",".repeat(300_000));
    assert_eq!(good(&wide), [row(2, "<has 300001 fields where the header has 1>"), row(3, r#"{"a":"1"}"#)]);
    let (records, error) = read(&b"a,b\n\xC3,\xA4\n\xFF,\n1,2"[..], Format::Csv);
    assert_eq!(
        (contents(&records), error),
        (vec!["<is not UTF-8>".into(), "<is not UTF-8>".into(), r#"{"a":"1","b":"2"}"#.into()], None)
    );
}

#[test]
fn wide_rows_are_counted_exactly() {
    let names: Vec<_> = (0..300).map(|i| format!("c{i}")).collect();
    let cells = |count: usize| vec!["x"; count].join(",");
    let object = format!("{}\n{}\n{}\n{}\n{}", names.join(","), cells(299), cells(300), cells(301), cells(300));
    let rows = good(&object);
    let [short, exact, long, last] = &rows[..] else { panic!("{} rows", rows.len()) };
    assert_eq!(short.1, "<has 299 fields where the header has 300>");
    assert_eq!(long.1, "<has 301 fields where the header has 300>");
    for row in [exact, last] {
        assert_eq!(serde_json::from_str::<Map<_, _>>(&row.1).unwrap().len(), 300);
    }
}

#[test]
fn a_quote_that_stays_open_is_told() {
    let open = "<has a quoted field that the object ends in; its quote may have been opened by mistake>";
    assert_eq!(good("a,b\n1,2\n3,\"4\n5,6\n"), [row(2, r#"{"a":"1","b":"2"}"#), row(3, open)]);
    assert_eq!(good("a\n\""), [row(2, open)]);
    let long = format!("a\n\"{}", "x\n".repeat(MAX_RECORD_BYTES));
    assert_eq!(good(&long), [row(2, open)]);
}

/// The rows of an object in a dialect, however it is cut.
fn in_dialect(object: &str, dialect: Dialect) -> (Vec<(u64, String)>, Option<String>) {
    let read = |sizes: &[usize]| {
        let stream = super::super::testing::cut(object.to_owned(), sizes);
        let decoded = super::super::decode::decode(stream, super::super::format::Compression::None);
        let mut records = Records::in_dialect(decoded, Format::Csv, dialect);
        let (records, error) = super::tests::drain(&mut records);
        let rows: Vec<_> = records.iter().map(|record| record.line.unwrap()).zip(contents(&records)).collect();
        (rows, error.map(|error| error.to_string()))
    };
    let once = read(&[4096]);
    assert_eq!(read(&[1]), once);
    once
}

#[test]
fn columns_without_a_name_of_their_own_get_one() {
    for (header, names) in [
        (",a,b", ["column0", "a", "b"]),
        ("a,b,", ["a", "b", "column2"]),
        ("a,b,a", ["a", "b", "a_1"]),
        ("a,a,a", ["a", "a_1", "a_2"]),
        ("a,a_1,a", ["a", "a_1", "a_2"]),
        ("a,a,a_1", ["a", "a_2", "a_1"]),
        (",column0,", ["column0_1", "column0", "column2"]),
        (",,", ["column0", "column1", "column2"]),
    ] {
        let [a, b, c] = names;
        assert_eq!(good(&format!("{header}\n1,2,3")), [row(2, &format!(r#"{{"{a}":"1","{b}":"2","{c}":"3"}}"#))]);
    }
    let same = vec!["x"; MAX_COLUMNS].join(",");
    let rows = good(&format!("{same}\n{same}"));
    assert_eq!(serde_json::from_str::<Map<_, _>>(&rows[0].1).unwrap().len(), MAX_COLUMNS);
}

#[test]
fn the_delimiter_is_given_or_told_by_the_first_line() {
    let with = |delimiter| Dialect { delimiter, ..Dialect::default() };
    let expected = (vec![row(2, r#"{"a,b":"1","c":"2;,"}"#)], None);
    assert_eq!(in_dialect("a,b;c\n1;\"2;,\"\n", with(b';')), expected);
    assert_eq!(in_dialect("a,b\tc\n1\t2;,\n", with(b'\t')), expected);
    assert_eq!(in_dialect("a,b|c\n1|2;,\n", with(b'|')), expected);
    let expected = (vec![row(3, r#"{"a,b":"1","c":"2"}"#)], None);
    for end in ["\n", "\r\n"] {
        for (first, delimiter) in [("sep=;", ";"), ("SEP=;", ";"), ("sep=\t", "\t"), ("\u{FEFF}sep=;", ";")] {
            let object = format!("{first}{end}a,b{delimiter}c{end}1{delimiter}2{end}");
            assert_eq!(in_dialect(&object, Dialect::default()), expected, "{object:?}");
            assert_eq!(in_dialect(&object, with(b'|')), expected, "{object:?}");
        }
    }
    assert_eq!(good("sep=,\ra\r1"), [row(1, r#"{"a":"1"}"#)]);
    // What is no such line is a header.
    for header in ["s", "sep", "sep=", "sep=x", "sep=;;", "sep =;"] {
        assert_eq!(good(&format!("{header}\n1")), [row(2, &format!(r#"{{"{header}":"1"}}"#))]);
        assert_eq!(good(header), []);
    }
    for object in ["sep=;", "sep=;\r", "sep=;\n"] {
        assert!(rows(object).1.is_some_and(|error| error.ends_with("the object has no header")), "{object:?}");
    }
}

#[test]
fn a_strict_header_must_name_every_column_once() {
    let strict = Dialect { strict_header: true, ..Dialect::default() };
    for (object, error) in [
        ("a,,b\n1,2,3", "column 2 of the header has no name"),
        ("\"\"\n1", "column 1 of the header has no name"),
        ("a,b,a\n1,2,3", "column 3 of the header repeats the name \"a\""),
    ] {
        let (rows, told) = in_dialect(object, strict);
        assert_eq!(rows, []);
        assert!(told.as_ref().is_some_and(|told| told.ends_with(error)), "{object:?}: {told:?}");
    }
}

#[test]
fn a_header_must_be_there() {
    for (object, error) in [
        ("", "the object has no header"),
        ("\n\r\n", "the object has no header"),
        ("a,\"b\n1,2", "the header has a quoted field that does not end"),
    ] {
        let (rows, told) = rows(object);
        assert_eq!(rows, []);
        assert!(told.as_ref().is_some_and(|told| told.ends_with(error)), "{object:?}: {told:?}");
    }
    // Names that differ in case or space differ.
    assert_eq!(good("a, a,A\n1,2,3"), [row(2, r#"{"a":"1"," a":"2","A":"3"}"#)]);
}

#[test]
fn headers_are_bounded() {
    let columns = |count: usize| (0..count).map(|i| format!("{i}")).collect::<Vec<_>>().join(",");
    assert_eq!(good(&columns(MAX_COLUMNS)), []);
    assert!(rows(&columns(MAX_COLUMNS + 1)).1.unwrap().ends_with("the header has more than 16384 columns"));
    assert_eq!(good(&"a".repeat(MAX_HEADER_BYTES)), []);
    let long = "a".repeat(MAX_HEADER_BYTES + 1);
    assert!(rows(&long).1.unwrap().ends_with("the header has more than 262144 bytes"));
    assert!(rows(&long.repeat(9)).1.unwrap().ends_with("the header is too long"));
}

#[test]
fn the_longest_record_is_the_longest() {
    let lengths = |object: &str| -> Vec<_> {
        let (records, error) = read_once(object);
        assert_eq!(error, None);
        records.into_iter().map(|record| record.content.map(|json| json.len())).collect()
    };
    // `{"a":""}` takes eight bytes.
    let text = |length: usize| "x".repeat(length);
    for end in ["", "\n", "\r\n", "\r"] {
        let fits = MAX_RECORD_BYTES - 8;
        assert_eq!(lengths(&format!("a\n{}{end}", text(fits))), [Ok(MAX_RECORD_BYTES)]);
        assert_eq!(lengths(&format!("a\n{}{end}", text(fits + 1))), [Err(BadRecord::TooLongAsJson)]);
        assert_eq!(lengths(&format!("a\n{}{end}", text(MAX_RECORD_BYTES))), [Err(BadRecord::TooLongAsJson)]);
        assert_eq!(lengths(&format!("a\n{}{end}", text(MAX_RECORD_BYTES + 1))), [Err(BadRecord::TooLong)]);
        assert_eq!(lengths(&format!("a\n\"{}\"{end}", text(MAX_RECORD_BYTES - 1))), [Err(BadRecord::TooLong)]);
    }
    let escaped = "\u{1}".repeat(MAX_RECORD_BYTES / 6);
    assert_eq!(lengths(&format!("a\n{escaped}\n1")), [Err(BadRecord::TooLongAsJson), Ok(9)]);
}

fn read_once(object: &str) -> (Vec<Record>, Option<String>) {
    super::tests::read_from(0, super::super::testing::cut(object.to_owned(), &[4096]), Format::Csv)
}

fn quoted(field: &str) -> String {
    if field.is_empty() || field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        (names, table) in (1_usize..5).prop_flat_map(|width| {
            let names = prop::collection::hash_set("[a\"\\\\,\n\u{e4}\u{1}b]{1,5}", width).prop_map(Vec::from_iter);
            (names, vec(vec("[a\"\\\\,\r\n\u{e4}\u{1}\t ]{0,6}|[0-9]{1,5}", width), 0..6))
        }),
        crlf: bool, last_end: bool,
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mut object = String::new();
        for fields in std::iter::once(&names).chain(&table) {
            let line: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
            write!(object, "{}{end}", line.join(",")).unwrap();
        }
        let object = if last_end { &object } else { object.strip_suffix(end).unwrap() };
        let mut expected = Vec::new();
        let mut line = 1 + 1 + names.iter().map(|name| name.matches('\n').count()).sum::<usize>();
        for fields in &table {
            let members = names.iter().cloned().zip(fields.iter().cloned().map(Value::from));
            expected.push((line as u64, serde_json::to_string(&members.collect::<Map<_, _>>()).unwrap()));
            line += 1 + fields.iter().map(|field| field.matches('\n').count()).sum::<usize>();
        }
        prop_assert_eq!(good(object), expected);
    }
}
