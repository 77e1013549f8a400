//! google.protobuf.Struct to JSON and back: the form for people, not for speed.
//!
//! A Struct has only doubles: integers beyond 2^53 come out of JSON rounded, and an integer that a double
//! holds exactly is written without a fraction, so that `3` stays `3` on the round trip.

use std::collections::BTreeMap;

use prost_types::value::Kind as Field;
use prost_types::{ListValue, Struct, Value};

use super::body::{BodyError, MAX_DEPTH, is_reserved, not_an_object, utf8};
use super::scan::{Cursor, Kind};

/// Doubles below this are exact integers if they are integers at all.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Compact JSON with sorted keys at every level: equal Structs give equal bytes, whatever the client's map order.
pub fn struct_to_json(fields: &Struct) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::with_capacity(256);
    write_struct(fields, 1, &mut out)?;
    Ok(out)
}

/// One value as compact JSON, keys sorted.
pub fn value_to_json(value: &Value) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    write_value(value, 1, &mut out)?;
    Ok(out)
}

/// Numbers become doubles: integers above 2^53 lose digits, `1e999` becomes the largest double. A stored document
/// can always be read: one that could not would end every list and stream of its collection.
pub fn json_to_struct(json: &[u8]) -> Result<Struct, BodyError> {
    let mut cursor = Cursor::new(utf8(json)?);
    if cursor.kind()? != Kind::Object {
        return Err(not_an_object(cursor));
    }
    let fields = read_struct(&mut cursor)?;
    cursor.finish()?;
    Ok(fields)
}

fn invalid(why: &'static str) -> BodyError {
    BodyError::InvalidValue { path: String::new(), why }
}

fn write_struct(fields: &Struct, depth: usize, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let Struct { fields } = fields; // a BTreeMap: already sorted
    if depth > MAX_DEPTH {
        return Err(BodyError::TooDeep);
    }
    out.push(b'{');
    for (i, (key, value)) in fields.iter().enumerate() {
        if is_reserved(key) {
            return Err(BodyError::ReservedKey { path: String::new() }.inside(key));
        }
        if i > 0 {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        write_value(value, depth, out).map_err(|error| error.inside(key))?;
    }
    out.push(b'}');
    Ok(())
}

fn write_list(list: &ListValue, depth: usize, out: &mut Vec<u8>) -> Result<(), BodyError> {
    let ListValue { values } = list;
    if depth > MAX_DEPTH {
        return Err(BodyError::TooDeep);
    }
    out.push(b'[');
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_value(value, depth, out).map_err(|error| error.inside(i))?;
    }
    out.push(b']');
    Ok(())
}

fn write_value(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), BodyError> {
    match &value.kind {
        // A Value whose `kind` is missing is malformed, not null: guessing would hide a client's bug.
        None => return Err(invalid("has no kind")),
        Some(Field::NullValue(_)) => out.extend_from_slice(b"null"),
        Some(Field::BoolValue(value)) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Some(Field::NumberValue(value)) => write_number(*value, out)?,
        Some(Field::StringValue(value)) => write_string(value, out),
        Some(Field::StructValue(value)) => write_struct(value, depth + 1, out)?,
        Some(Field::ListValue(value)) => write_list(value, depth + 1, out)?,
    }
    Ok(())
}

fn write_number(number: f64, out: &mut Vec<u8>) -> Result<(), BodyError> {
    if !number.is_finite() {
        return Err(invalid("is NaN or infinite, which JSON cannot say"));
    }
    let is_negative_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() == 0.0 && number.abs() < EXACT && !is_negative_zero {
        #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        write_json(&(number as i64), out);
    } else {
        write_json(&number, out);
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    write_json(text, out);
}

/// serde_json fails only if the writer or a Serialize implementation does; a Vec and a scalar never do.
fn write_json<T: serde::Serialize + ?Sized>(scalar: &T, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(&mut *out, scalar);
    debug_assert!(written.is_ok());
}

fn read_struct(cursor: &mut Cursor<'_>) -> Result<Struct, BodyError> {
    let mut fields = BTreeMap::new();
    cursor.object(|cursor, key, _| {
        let name = key.decode();
        if is_reserved(&name) {
            return Err(BodyError::ReservedKey { path: String::new() }.inside(name));
        }
        let value = read_value(cursor).map_err(|error| error.inside(&name))?;
        match fields.insert(name.into_owned(), value) {
            None => Ok(()),
            Some(_) => Err(BodyError::DuplicateKey { path: String::new() }.inside(key.decode())),
        }
    })?;
    Ok(Struct { fields })
}

fn read_value(cursor: &mut Cursor<'_>) -> Result<Value, BodyError> {
    let kind = match cursor.kind()? {
        Kind::Object => Field::StructValue(read_struct(cursor)?),
        Kind::Array => {
            let mut values = Vec::new();
            cursor.array(|cursor, index| {
                values.push(read_value(cursor).map_err(|error| error.inside(index))?);
                Ok::<(), BodyError>(())
            })?;
            Field::ListValue(ListValue { values })
        }
        Kind::String => Field::StringValue(cursor.string()?.decode().into_owned()),
        Kind::Number => match cursor.number()?.parse::<f64>() {
            Ok(number) => Field::NumberValue(number.clamp(f64::MIN, f64::MAX)),
            Err(_) => return Err(invalid("is not a number")),
        },
        Kind::Bool => Field::BoolValue(cursor.boolean()?),
        Kind::Null => {
            cursor.null()?;
            Field::NullValue(0)
        }
    };
    Ok(Value { kind: Some(kind) })
}

#[cfg(test)]
mod tests {
    use super::super::body::lift;
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

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
        for value in [EXACT, -EXACT, 1e300, f64::MIN_POSITIVE, f64::MAX] {
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
        assert_eq!(json_to_struct(br#"{"a":{"b":1,"b":2}}"#), Err(BodyError::DuplicateKey { path: "/a/b".into() }));
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
}
