//! google.protobuf.Struct to JSON and back: the form for people, not for speed.
//!
//! A Struct has only doubles: integers beyond 2^53 come out of JSON rounded, and an integer that a double
//! holds exactly is written without a fraction, so that `3` stays `3` on the round trip.

mod text;
mod wire;

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType, bytes, encode_key, encode_varint, skip_field},
};
use prost_types::{Struct, Value};

use self::{text::invalid, wire::Plan};
use super::body::BodyError;

/// The number of the one field of a Struct.
const FIELDS: u32 = 1;

/// A `google.protobuf.Struct`, as the bytes that it has on the wire: in messages that wait it
/// takes no more than those. What is in them shows when it is made a [`Struct`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// A stored body as a Struct of at most so many bytes.
    pub(crate) fn of_json(json: &[u8], most: usize) -> Result<Self, FieldsError> {
        let plan = Plan::of(json)?;
        match plan.bytes() {
            bytes if bytes > most => Err(FieldsError::TooLarge(bytes)),
            _ => Ok(Self(plan.write()?)),
        }
    }

    /// Compact JSON with sorted keys at every level: equal Structs give equal bytes, whatever the client's map order.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, BodyError> {
        let fields = Struct::try_from(self).map_err(|_| invalid("is no Struct, or one of more than 30 levels"))?;
        text::of_struct(&fields)
    }
}

/// Why a stored body becomes no Struct.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FieldsError {
    /// It is damaged.
    Unreadable(BodyError),
    /// It would have so many bytes.
    TooLarge(usize),
}

impl From<BodyError> for FieldsError {
    fn from(why: BodyError) -> Self {
        Self::Unreadable(why)
    }
}

impl From<&Struct> for Fields {
    fn from(fields: &Struct) -> Self {
        Self(fields.encode_to_vec())
    }
}

impl From<Struct> for Fields {
    fn from(fields: Struct) -> Self {
        Self::from(&fields)
    }
}

impl TryFrom<&Fields> for Struct {
    type Error = DecodeError;

    fn try_from(fields: &Fields) -> Result<Self, DecodeError> {
        Self::decode(fields.0.as_slice())
    }
}

impl Message for Fields {
    fn encode_raw(&self, to: &mut impl BufMut) {
        to.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        number: u32,
        wire: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if number != FIELDS {
            return skip_field(wire, number, from, context);
        }
        let mut entry = Vec::new();
        bytes::merge(wire, &mut entry, from, context)?;
        encode_key(FIELDS, WireType::LengthDelimited, &mut self.0);
        encode_varint(entry.len() as u64, &mut self.0);
        self.0.append(&mut entry);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// One value as compact JSON, keys sorted.
pub(crate) fn value_to_json(value: &Value) -> Result<Vec<u8>, BodyError> {
    text::of_value(value)
}

#[cfg(test)]
mod tests;
