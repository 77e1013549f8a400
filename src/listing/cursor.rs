//! The sort key of the last item of a page, and its bytes (L2, L5):
//! each value as a tag with a big-endian integer or a 64-bit length and text,
//! then the 16 bytes of the uid. The order says how many values there are; bytes
//! of another number of them never fit, for lack or excess at the end.

use uuid::Uuid;

use super::listed::Value;
use super::token::TokenError;

const TEXT: u8 = 1;
const NUMBER: u8 = 2;
const TIME: u8 = 3;
const ABSENT: u8 = 4;

/// Where a page ended: the values it was ordered by, `name` among them, and the
/// uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) values: Vec<Value<'static>>,
    pub(super) uid: Uuid,
}

impl Cursor {
    /// The bytes for a [`super::PageToken`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in &self.values {
            match value {
                Value::Number(value) => integer(&mut bytes, NUMBER, *value),
                Value::Time(micros) => integer(&mut bytes, TIME, *micros),
                // A word comes back as its text: they compare alike.
                Value::Text(_) | Value::Word(_) => {
                    text(&mut bytes, value.text().unwrap_or_default());
                }
                Value::Absent => bytes.push(ABSENT),
            }
        }
        bytes.extend_from_slice(self.uid.as_bytes());
        bytes
    }

    /// The name at which a page ended that was ordered by names alone.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.values.first().and_then(Value::text)
    }

    /// Reads what [`Cursor::encode`] wrote for a cursor of so many values.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for anything else.
    pub fn decode(bytes: &[u8], width: usize) -> Result<Self, TokenError> {
        read(bytes, width).ok_or(TokenError::Malformed)
    }
}

fn integer(bytes: &mut Vec<u8>, tag: u8, value: i64) {
    bytes.push(tag);
    bytes.extend_from_slice(&value.to_be_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(TEXT);
    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn read(mut bytes: &[u8], width: usize) -> Option<Cursor> {
    let values = (0..width).map(|_| value(&mut bytes)).collect::<Option<Vec<_>>>()?;
    let uid = Uuid::from_bytes(take(&mut bytes)?);
    bytes.is_empty().then_some(Cursor { values, uid })
}

fn value(bytes: &mut &[u8]) -> Option<Value<'static>> {
    let [tag] = take(bytes)?;
    Some(match tag {
        TEXT => {
            let length = usize::try_from(u64::from_be_bytes(take(bytes)?)).ok()?;
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Value::Text(std::str::from_utf8(text).ok()?.to_owned().into())
        }
        NUMBER => Value::Number(i64::from_be_bytes(take(bytes)?)),
        TIME => Value::Time(i64::from_be_bytes(take(bytes)?)),
        ABSENT => Value::Absent,
        _ => return None,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::{
        fixture::{Item, any_value},
        order::Order,
    };
    use proptest::prelude::*;

    fn order(text: &str) -> Order {
        Order::parse::<Item>(text).unwrap()
    }

    #[test]
    fn bytes_stay_as_they_are() {
        let cursor = Cursor {
            values: vec![Value::Number(-2), Value::Time(1), Value::Absent, Value::Text("aé".into())],
            uid: Uuid::from_bytes([7; 16]),
        };
        let mut expected = vec![2];
        expected.extend([255; 7]);
        expected.extend([254, 3, 0, 0, 0, 0, 0, 0, 0, 1, 4, 1, 0, 0, 0, 0, 0, 0, 0, 3, b'a', 0xC3, 0xA9]);
        expected.extend([7; 16]);
        assert_eq!(cursor.encode(), expected);
    }

    #[test]
    fn a_cursor_of_another_order_is_malformed() {
        let bytes = order("").cursor(&Item::default()).encode();
        assert!(Cursor::decode(&bytes, order("name desc").width()).is_ok());
        assert_eq!(Cursor::decode(&bytes, order("end_time").width()), Err(TokenError::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(any_value(), 0..5), uid in any::<u128>()) {
            let cursor = Cursor { values, uid: Uuid::from_u128(uid) };
            let width = cursor.values.len();
            let bytes = cursor.encode();
            let back = read(&bytes, width).unwrap();
            prop_assert!(back.values.iter().zip(&cursor.values).all(|(a, b)| a.compare(b).is_eq()));
            prop_assert_eq!((back.values.len(), back.uid), (width, cursor.uid));
            prop_assert_eq!(back.encode(), bytes.clone());
            prop_assert!((0..bytes.len()).all(|cut| read(&bytes[..cut], width).is_none()));
            prop_assert!(read(&[&bytes[..], &[0]].concat(), width).is_none());
            prop_assert!((0..8).all(|other| other == width || read(&bytes, other).is_none()));
        }

        #[test]
        fn any_bytes_are_read_exactly_or_refused(
            bytes in prop::collection::vec(prop_oneof![0..6_u8, any::<u8>()], 0..64), width in 0..5_usize,
        ) {
            if let Some(cursor) = read(&bytes, width) {
                prop_assert_eq!(cursor.encode(), bytes);
            }
        }
    }
}
