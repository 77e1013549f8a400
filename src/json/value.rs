//! JSON text to `serde_json::Value` with the number text kept.
//!
//! serde_json's own parser rewrites exponents even with `arbitrary_precision` (`1e2` and `1E2` become `1e+2`),
//! so a patch of one field would change others.

use serde_json::{Map, Number, Value};

use super::body::utf8;
use super::error::{BodyError, is_reserved};
use super::scan::{Cursor, Kind};

/// Any JSON value, by the rules of a body: what a patch works on, and the operands in it.
pub fn parse(json: &[u8]) -> Result<Value, BodyError> {
    let mut cursor = Cursor::new(utf8(json)?);
    let value = read(&mut cursor)?;
    cursor.finish()?;
    Ok(value)
}

fn read(cursor: &mut Cursor<'_>) -> Result<Value, BodyError> {
    Ok(match cursor.kind()? {
        Kind::Object => {
            let mut members = Map::new();
            cursor.object(|cursor, key, _| {
                let name = key.decode();
                if is_reserved(&name) {
                    return Err(BodyError::ReservedKey { path: String::new() }.inside(name));
                }
                let value = read(cursor).map_err(|error| error.inside(&name))?;
                match members.insert(name.into_owned(), value) {
                    None => Ok(()),
                    Some(_) => Err(BodyError::DuplicateKey { path: String::new() }.inside(key.decode())),
                }
            })?;
            Value::Object(members)
        }
        Kind::Array => {
            let mut items = Vec::new();
            cursor.array(|cursor, index| {
                items.push(read(cursor).map_err(|error| error.inside(index))?);
                Ok::<(), BodyError>(())
            })?;
            Value::Array(items)
        }
        Kind::String => Value::String(cursor.string()?.decode().into_owned()),
        // Unchecked is right: the cursor accepts numbers only.
        Kind::Number => Value::Number(Number::from_string_unchecked(cursor.number()?.to_owned())),
        Kind::Bool => Value::Bool(cursor.boolean()?),
        Kind::Null => {
            cursor.null()?;
            Value::Null
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_text_comes_back_as_it_was() {
        let json = r#"{"z":[1E2,1e2,1E-02,-0,1.10e0,1e999,123456789012345678901234567890],"a":{"x":"é\n","b":[true,false,null,{}]}}"#;
        assert_eq!(parse(json.as_bytes()).unwrap().to_string(), json);
    }

    #[test]
    fn it_keeps_the_rules_of_a_body() {
        assert_eq!(parse(br#"[{"a":{"b":1,"b":2}}]"#), Err(BodyError::DuplicateKey { path: "/0/a/b".into() }));
        assert!(matches!(parse(br#"{"$serde_json::private::Number":"x"}"#), Err(BodyError::ReservedKey { .. })));
        assert_eq!(parse("[".repeat(1 << 20).as_bytes()), Err(BodyError::TooDeep));
        assert!(matches!(parse(b"1 2"), Err(BodyError::Syntax { .. })));
    }
}
