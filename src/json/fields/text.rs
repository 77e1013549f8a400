//! A `google.protobuf.Struct` as JSON.

use prost_types::{ListValue, Struct, Value, value::Kind as Field};

use crate::json::{
    body::{BodyError, MAX_DEPTH},
    error::is_reserved,
};

/// Doubles below this are exact integers if they are integers at all.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Compact JSON with sorted keys at every level: equal Structs give equal bytes, whatever the client's map order.
pub(super) fn of_struct(fields: &Struct) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::with_capacity(256);
    write_struct(fields, 1, &mut out)?;
    Ok(out)
}

/// One value as compact JSON, keys sorted.
pub(super) fn of_value(value: &Value) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    write_value(value, 1, &mut out)?;
    Ok(out)
}

pub(super) fn invalid(why: &'static str) -> BodyError {
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
