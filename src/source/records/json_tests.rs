use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::tests::{contents, read};
use super::*;

/// The records with their lines, and why there are no more.
fn records(object: &str) -> (Vec<(u64, String)>, Option<String>) {
    let (records, error) = read(object.to_owned(), Format::JsonArray);
    let lines = records.iter().map(|record| record.line.unwrap_or_default());
    (lines.zip(contents(&records)).collect(), error)
}

fn good(object: &str) -> Vec<(u64, String)> {
    let (records, error) = records(object);
    assert_eq!(error, None, "{object:?}");
    records
}

fn record(line: u64, text: &str) -> (u64, String) {
    (line, text.to_owned())
}

#[test]
fn an_object_over_several_lines_is_one_record() {
    assert_eq!(good("{\n \"_id\":\"a\"\n}\n"), [record(1, "{\n \"_id\":\"a\"\n}")]);
    assert_eq!(
        good("\n \r\n  {\r\n\"a\":\"}\\\"\",\r\n\"b\":[{\n}]}"),
        [record(3, "{\r\n\"a\":\"}\\\"\",\r\n\"b\":[{\n}]}")]
    );
    assert_eq!(
        good("{\"type\":\"FeatureCollection\",\n\"features\":[]} \n"),
        [record(1, "{\"type\":\"FeatureCollection\",\n\"features\":[]}")]
    );
    assert_eq!(good("{\"a\":1}"), [record(1, "{\"a\":1}")]);
    assert_eq!(good("{}"), [record(1, "{}")]);
    // Several, as jq writes them.
    assert_eq!(
        good("{\n\"a\":1\n}\n{\"a\":2}\n\n{\n}{}"),
        [record(1, "{\n\"a\":1\n}"), record(4, "{\"a\":2}"), record(6, "{\n}"), record(7, "{}"),]
    );
}

#[test]
fn lines_are_records_if_the_first_one_is() {
    assert_eq!(
        good("\n {\"a\":1}\r\n\n{\"a\":\n[1]\nx\n{\"a\":2}"),
        [record(2, "{\"a\":1}"), record(4, "{\"a\":"), record(5, "[1]"), record(6, "x"), record(7, "{\"a\":2}"),]
    );
    // A first line that cannot be an object is a bad record, not the beginning of one.
    assert_eq!(good("{\"a\":]\n{\"a\":2}\n"), [record(1, "{\"a\":]"), record(2, "{\"a\":2}")]);
    assert_eq!(good("{\"a\":1} x\n{}"), [record(1, "{\"a\":1} x"), record(2, "{}")]);
    assert_eq!(good("{\"a\":"), [record(1, "{\"a\":")]);
}

#[test]
fn a_broken_structure_is_told() {
    for (object, found, error) in [
        ("{\n\"a\":1\n", 0, "at byte 8 (unpacked): the object ends before its JSON object does"),
        ("{\n\"a\":]}", 0, "at byte 6 (unpacked): expected '}' but found ']'"),
        ("{\n} x", 1, "at byte 4 (unpacked): expected another object or the end but found 'x'"),
        ("{\n}\n[1]", 1, "at byte 4 (unpacked): expected another object or the end but found '['"),
        ("1\n{}", 0, "at byte 0 (unpacked): expected '[' or '{' but found '1'"),
    ] {
        let (records, told) = records(object);
        assert_eq!((records.len(), told.as_deref()), (found, Some(error)), "{object:?}");
    }
}

#[test]
fn size_and_depth_cost_only_the_record() {
    let long = format!("{{\n\"a\":\"{}\"}}\n{{\n}}", "x".repeat(MAX_RECORD_BYTES));
    let (records, error) = super::tests::read_from(0, super::super::testing::cut(long, &[5_000]), Format::JsonArray);
    assert_eq!(error, None);
    assert_eq!(
        records.iter().map(|record| record.content.clone().err()).collect::<Vec<_>>(),
        [Some(BadRecord::TooLong), None]
    );
    let deep = format!("{{\n\"a\":{}{}}}\n{{}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(good(&deep), [record(1, "<is nested more than 100 levels deep>"), record(3, "{}")]);
}

proptest! {
    #[test]
    fn written_objects_are_read(values in vec(("[\"\\\\\\[\\]{},:a\n]{0,6}", any::<i32>()), 1..5), pretty: bool) {
        let objects: Vec<_> = values.iter().map(|(text, number)| serde_json::json!({ "t": text, "n": [number] })).collect();
        let write = |value: &Value| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let texts: Vec<_> = objects.iter().map(|object| write(object).unwrap()).collect();
        let found: Vec<_> = good(&texts.join("\n")).into_iter().map(|(_, text)| text).collect();
        prop_assert_eq!(found, texts);
    }
}
