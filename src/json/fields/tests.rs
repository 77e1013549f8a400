use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost_types::{ListValue, value::Kind as Field};

use super::{super::body::lift, *};

fn struct_to_json(fields: &Struct) -> Result<Vec<u8>, BodyError> {
    text::of_struct(fields)
}

fn json_to_struct(json: &[u8]) -> Result<Struct, BodyError> {
    let fields = Fields::of_json(json, usize::MAX).map_err(|error| match error {
        FieldsError::Unreadable(why) => why,
        FieldsError::TooLarge(_) => unreachable!(),
    })?;
    Ok(Struct::try_from(&fields).unwrap())
}

fn object(members: impl IntoIterator<Item = (&'static str, Field)>) -> Struct {
    let fields = members.into_iter().map(|(key, kind)| (key.to_owned(), Value { kind: Some(kind) }));
    Struct { fields: fields.collect() }
}

fn json(fields: &Struct) -> String {
    String::from_utf8(struct_to_json(fields).unwrap()).unwrap()
}

fn number(number: f64) -> String {
    json(&object([("n", Field::NumberValue(number))]))
}

#[test]
fn keys_are_sorted_and_text_is_compact() {
    let inner = object([("z", Field::BoolValue(true)), ("a", Field::NullValue(0))]);
    let fields = object([("b", Field::StructValue(inner)), ("a\"", Field::StringValue("x\n".into()))]);
    assert_eq!(json(&fields), r#"{"a\"":"x\n","b":{"a":null,"z":true}}"#);
}

#[test]
fn numbers_are_written_as_people_would() {
    for (value, text) in [
        (3.0, "3"),
        (-7.0, "-7"),
        (0.0, "0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (9_007_199_254_740_991.0, "9007199254740991"),
    ] {
        assert_eq!(number(value), format!("{{\"n\":{text}}}"));
    }
    for value in [9_007_199_254_740_992.0, -9_007_199_254_740_992.0, 1e300, f64::MIN_POSITIVE, f64::MAX] {
        let text = number(value);
        assert_eq!(json_to_struct(text.as_bytes()).unwrap(), object([("n", Field::NumberValue(value))]), "{text}");
    }
}

#[test]
fn what_json_cannot_say_is_refused_with_its_path() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let list = ListValue { values: vec![Value { kind: Some(Field::NumberValue(bad)) }] };
        let error = struct_to_json(&object([("a", Field::ListValue(list))])).unwrap_err();
        assert_eq!(error.to_string(), "what is at /a/0 is NaN or infinite, which JSON cannot say");
    }
    let missing = Struct { fields: [("a".to_owned(), Value { kind: None })].into() };
    assert_eq!(
        struct_to_json(&missing).unwrap_err(),
        BodyError::InvalidValue { path: "/a".into(), why: "has no kind" }
    );
    let error = struct_to_json(&object([("$serde_json::private::Number", Field::NullValue(0))])).unwrap_err();
    assert!(matches!(error, BodyError::ReservedKey { .. }));
}

#[test]
fn depth_is_bounded() {
    let nested = |n: usize| (1..n).fold(object([]), |inner, _| object([("a", Field::StructValue(inner))]));
    assert!(struct_to_json(&nested(100)).is_ok());
    assert_eq!(struct_to_json(&nested(101)), Err(BodyError::TooDeep));
}

#[test]
fn numbers_beyond_a_double_become_the_largest() {
    let expected = object([("a", Field::NumberValue(f64::MAX)), ("b", Field::NumberValue(f64::MIN))]);
    assert_eq!(json_to_struct(br#"{"a":1e999,"b":-1e999}"#).unwrap(), expected);
}

#[test]
fn json_keeps_the_rules_of_a_body() {
    assert_eq!(json_to_struct(b"[]"), Err(BodyError::NotAnObject { found: "an array" }));
    assert!(matches!(json_to_struct(b"{} {}"), Err(BodyError::Syntax { .. })));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Field::NullValue(0)),
        any::<bool>().prop_map(Field::BoolValue),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Field::NumberValue),
        any::<i32>().prop_map(|n| Field::NumberValue(n.into())),
        ".{0,8}".prop_map(Field::StringValue),
    ];
    leaf.prop_map(|kind| Value { kind: Some(kind) }).prop_recursive(4, 24, 4, |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(|values| Field::ListValue(ListValue { values }));
        let object = btree_map(".{0,4}", inner, 0..4).prop_map(|fields| Field::StructValue(Struct { fields }));
        prop_oneof![list, object].prop_map(|kind| Value { kind: Some(kind) })
    })
}

proptest! {
    #[test]
    fn a_struct_survives_json(fields in btree_map("[a-z]{0,4}", value(), 0..5)) {
        let fields = Struct { fields };
        let json = struct_to_json(&fields).unwrap();
        prop_assert_eq!(lift(&json).unwrap().body, json.clone());
        prop_assert_eq!(json_to_struct(&json).unwrap(), fields);
    }
}

#[test]
fn what_it_will_be_is_known_before_it_is_made() {
    let json = br#"{"a":[{},{"b":"\u00e9"},[]],"z":null,"n":1.5,"t":true}"#;
    let bytes = json_to_struct(json).unwrap().encoded_len();
    assert_eq!(Fields::of_json(json, bytes - 1), Err(FieldsError::TooLarge(bytes)));
    assert_eq!(Fields::of_json(json, bytes).unwrap().encoded_len(), bytes);
}

#[test]
fn as_a_message_it_is_the_struct_that_it_is_of() {
    let fields = object([("a", Field::StringValue("x".repeat(200))), ("b", Field::NullValue(0))]);
    // One of two messages, and a field of a later version between them.
    let mut sent = object([("c", Field::BoolValue(true))]).encode_to_vec();
    sent.extend_from_slice(b"\x12\x01x");
    sent.extend_from_slice(&fields.encode_to_vec());
    let read = Fields::decode(&sent[..]).unwrap();
    assert_eq!(Struct::try_from(&read), Struct::decode(&sent[..]));
    assert_eq!(read.encoded_len(), read.encode_to_vec().len());
    assert_eq!(Fields::decode(&read.encode_to_vec()[..]), Ok(read));
    for cut in [&b"\x08\x01"[..], b"\x0a\x05abc", b"\x0a"] {
        assert_eq!(Fields::decode(cut).is_err(), Struct::decode(cut).is_err(), "{cut:?}");
        assert!(Fields::decode(cut).is_err());
    }
}

#[test]
fn what_is_no_struct_is_refused_when_it_is_read() {
    let deep = (1..40).fold(object([]), |inner, _| object([("a", Field::StructValue(inner))]));
    let expected = BodyError::InvalidValue { path: String::new(), why: "is no Struct, or one of more than 30 levels" };
    assert_eq!(Fields::from(&deep).to_json(), Err(expected.clone()));
    assert_eq!(Fields::decode(&b"\x0a\x01\xff"[..]).unwrap().to_json(), Err(expected));
}
