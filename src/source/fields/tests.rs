use proptest::prelude::*;

use super::*;
use crate::json::body::EVENT_TIME_RANGE;

fn origin() -> Origin {
    Origin::new(&"s3://bucket/data".parse().unwrap(), "data/x.json")
}

fn names(id: Option<&str>, event_time: Option<&str>) -> FieldNames {
    FieldNames::new(id, event_time).unwrap()
}

fn document(names: &FieldNames, json: &str) -> Result<(String, Option<i64>, String), FieldError> {
    names
        .document(json.as_bytes(), origin(), 7)
        .map(|Document { id, event_time, body }| (id, event_time, String::from_utf8(body.to_vec()).unwrap()))
}

#[test]
fn named_fields_are_read_and_stay() {
    let names = names(Some("key"), Some("at"));
    let json = r#"{"key":"k1","at":"2026-01-31T12:00:00.5Z","n":1e400}"#;
    assert_eq!(document(&names, json), Ok(("k1".into(), Some(1_769_860_800_500_000), json.into())));
    let json = r#"{ "x" : {"key":1} , "at" : -1500 , "key" : 18446744073709551616 }"#;
    assert_eq!(document(&names, json), Ok(("18446744073709551616".into(), Some(-1_500_000), json.into())));
    let json = "{\"\\u006bey\":\"\\u00e4\\n\"}";
    assert_eq!(document(&names, json), Err(FieldError::Id(IdError::ControlCharacter { character: '\n', at: 2 })));
    assert_eq!(document(&names, r#"{"\u006bey":"\u00e4"}"#).unwrap().0, "ä");
    assert_eq!(document(&names, r#"{"key":-0}"#).unwrap().0, "0");
}

#[test]
fn one_field_may_be_both() {
    assert_eq!(
        document(&names(Some("t"), Some("t")), r#"{"t":1000}"#),
        Ok(("1000".into(), Some(1_000_000), r#"{"t":1000}"#.into()))
    );
}

#[test]
fn lifted_fields_leave_and_must_agree() {
    let names = names(Some("key"), Some("at"));
    let json = r#"{"_id":"a","key":"a","_event_time":1000,"at":"1970-01-01T00:00:01Z"}"#;
    assert_eq!(
        document(&names, json),
        Ok(("a".into(), Some(1_000_000), r#"{"key":"a","at":"1970-01-01T00:00:01Z"}"#.into()))
    );
    assert_eq!(document(&names, r#"{"_id":"a"}"#), Ok(("a".into(), None, "{}".into())));
    assert_eq!(document(&names, r#"{"_id":"1","key":1}"#).unwrap().0, "1");
    assert_eq!(document(&names, r#"{"_id":"a","key":"b"}"#), Err(FieldError::Disagree { lifted: "_id" }));
    assert_eq!(document(&names, r#"{"_event_time":1,"at":2}"#), Err(FieldError::Disagree { lifted: "_event_time" }));
}

/// O4
#[test]
fn a_record_without_an_id_gets_the_one_of_its_place() {
    for names in [FieldNames::default(), names(Some("key"), None)] {
        assert_eq!(document(&names, r#"{"a":1}"#).unwrap().0, origin().id(7));
        assert_eq!(document(&names, r#"{"b":2}"#).unwrap().0, origin().id(7));
    }
}

#[test]
fn ids_of_other_kinds_are_bad() {
    for (value, found) in [
        ("null", "null"),
        ("true", "a boolean"),
        ("1.0", "a number with a fraction or an exponent"),
        ("1e3", "a number with a fraction or an exponent"),
        ("{}", "an object"),
        ("[1]", "an array"),
    ] {
        let json = format!("{{\"key\":{value}}}");
        assert_eq!(document(&names(Some("key"), None), &json), Err(FieldError::BadId { found }), "{value}");
    }
    assert_eq!(document(&names(Some("key"), None), r#"{"key":""}"#), Err(FieldError::Id(IdError::Empty)));
    let long = format!("{{\"key\":{}}}", "1".repeat(1025));
    assert_eq!(document(&names(Some("key"), None), &long), Err(FieldError::Id(IdError::TooLong { length: 1025 })));
}

#[test]
fn event_times_are_rfc_3339_or_milliseconds() {
    let names = names(None, Some("at"));
    let read = |value: &str| document(&names, &format!("{{\"at\":{value}}}")).map(|(_, event_time, _)| event_time);
    for (value, micros) in [
        ("0", 0),
        ("1700000000123", 1_700_000_000_123_000),
        ("\"1700000000123\"", 1_700_000_000_123_000),
        ("\"-1\"", -1000),
        ("\"2026-01-31T13:00:00+01:00\"", 1_769_860_800_000_000),
        ("\"1969-12-31T23:59:59.9999999Z\"", -1),
        ("253402300799999", 253_402_300_799_999_000),
    ] {
        assert_eq!(read(value), Ok(Some(micros)), "{value}");
    }
    for value in [
        "null",
        "1.5",
        "1e3",
        "true",
        "{}",
        "\"\"",
        "\"yesterday\"",
        "\"2026-01-31\"",
        "\"1.5\"",
        "\"+1\"",
        "253402300800000",
        "\"253402300800000\"",
        "9223372036854775807",
        "99999999999999999999",
    ] {
        assert!(matches!(read(value), Err(FieldError::BadEventTime { .. })), "{value}");
    }
}

#[test]
fn what_is_no_body_is_no_document() {
    for json in ["", "1", "[{}]", "{\"a\":1,\"a\":2}", "{\"a\":}", "nul", "{} {}", "{\"key\":1,\"key\":2}"] {
        assert!(matches!(document(&names(Some("key"), None), json), Err(FieldError::Body(_))), "{json}");
    }
    assert!(names(Some("key"), None).read(b"[1]").is_err());
}

#[test]
fn names_are_checked() {
    use FieldNameError as E;
    assert_eq!(FieldNames::new(Some(""), None), Err(E::Empty));
    assert_eq!(FieldNames::new(None, Some(&"a".repeat(257))), Err(E::TooLong { length: 257 }));
    assert_eq!(FieldNames::new(Some("_event_time"), None), Err(E::Lifted("_event_time")));
    assert_eq!(FieldNames::new(None, Some("_id")), Err(E::Lifted("_id")));
    assert_eq!(FieldNames::new(Some("_id"), Some("_event_time")), Ok(FieldNames::default()));
    // Names are literal.
    assert_eq!(document(&names(Some("a.b"), None), r#"{"a":{"b":"x"},"a.b":"y"}"#).unwrap().0, "y");
}

proptest! {
    #[test]
    fn fields_are_found_wherever_they_are(
        before in "[a-z\"\\\\ä]{0,5}", value in "[^\\pC]{1,20}", number: i64, after in proptest::collection::vec("[^\\pC]{0,6}", 0..4),
    ) {
        let mut object = serde_json::Map::new();
        object.insert(format!("x{before}"), after.clone().into());
        object.insert("key".into(), value.clone().into());
        object.insert("at".into(), (number / 1_000_000).into());
        object.insert("y".into(), serde_json::json!({ "key": after, "at": null }));
        let json = serde_json::to_string(&object).unwrap();
        let names = names(Some("key"), Some("at"));
        if let Ok((id, event_time, body)) = document(&names, &json) {
            prop_assert_eq!(id, value);
            prop_assert_eq!(event_time, Some(number / 1_000_000 * 1000));
            prop_assert_eq!(body, json);
        } else {
            prop_assert!(!EVENT_TIME_RANGE.contains(&(number / 1_000_000 * 1000)));
        }
    }

    #[test]
    fn foreign_records_never_panic(json in "[{}\\[\\]\":,a-c0-9\\\\ -]{0,40}", text in "\\PC{0,40}") {
        let names = names(Some("a"), Some("b"));
        let _ = (document(&names, &json), document(&names, &text));
        let _ = names.read(json.as_bytes());
    }
}

#[test]
fn an_empty_cell_of_csv_counts_as_absent() {
    let named = names(Some("key"), Some("at"));
    let json = r#"{"_id":"","_event_time":"","key":"","at":"","n":""}"#;
    let csv = named.of_format(Format::Csv);
    let body = r#"{"key":"","at":"","n":""}"#;
    assert_eq!(document(&csv, json), Ok((origin().id(7), None, body.into())));
    assert_eq!(
        document(&FieldNames::default().of_format(Format::Csv), json).unwrap(),
        (origin().id(7), None, body.into())
    );
    let json = r#"{"_id":"","key":"k","_event_time":"1000","at":""}"#;
    assert_eq!(document(&csv, json), Ok(("k".into(), Some(1_000_000), r#"{"key":"k","at":""}"#.into())));
    let json = named.of_format(Format::NdJson);
    assert_eq!(document(&json, r#"{"key":""}"#), Err(FieldError::Id(IdError::Empty)));
    assert!(matches!(document(&json, r#"{"at":""}"#), Err(FieldError::BadEventTime { .. })));
}

#[test]
fn lifted_fields_are_read_as_named_ones_are() {
    for value in [r#""x""#, "7", "-0", "18446744073709551616", r#""""#, "1.5", "1e3", "null", "true", "[]", "{}"] {
        let named = document(&names(Some("key"), None), &format!(r#"{{"key":{value}}}"#)).map(|document| document.0);
        let lifted = document(&FieldNames::default(), &format!(r#"{{"_id":{value}}}"#)).map(|document| document.0);
        assert_eq!(named.ok(), lifted.ok(), "{value}");
    }
    for value in
        ["1790000000000", r#""1790000000000""#, r#""-1""#, r#""2026-01-31T12:00:00Z""#, r#""x""#, "1.5", "null"]
    {
        let named = document(&names(None, Some("at")), &format!(r#"{{"at":{value}}}"#)).map(|document| document.1);
        let lifted =
            document(&FieldNames::default(), &format!(r#"{{"_event_time":{value}}}"#)).map(|document| document.1);
        assert_eq!(named.ok(), lifted.ok(), "{value}");
    }
}
