//! What a resource tells about itself to be filtered, ordered and paged.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use uuid::Uuid;

/// The value of one field of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// An integer.
    Number(i64),
    /// Microseconds since 1970.
    Time(i64),
    /// An enum value without its prefix, such as `CREATED`.
    Word(&'static str),
    /// The field is not set.
    Absent,
}

impl Value<'_> {
    /// The text of a string or an enum value.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Word(word) => Some(word),
            Self::Number(_) | Self::Time(_) | Self::Absent => None,
        }
    }

    /// Whether a field of this value is there, as AIP-160 has it: set, and not to the default of its type.
    pub(super) fn is_present(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(value) => *value != 0,
            Self::Time(_) | Self::Word(_) => true,
            Self::Absent => false,
        }
    }

    const fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(value) | Self::Time(value) => Some(*value),
            Self::Text(_) | Self::Word(_) | Self::Absent => None,
        }
    }

    /// Total, whatever the kinds: a cursor comes from outside. Numbers, then
    /// texts, then absent ones, so that what has no end yet ends last.
    ///
    /// Not `Ord`, which would have to agree with `==`: a word equals its text here.
    pub(super) fn compare(&self, other: &Value<'_>) -> Ordering {
        match (self.integer(), other.integer()) {
            (Some(a), Some(b)) => return a.cmp(&b),
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (self.text(), other.text()) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }

    /// Without what it borrows.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Number(value) => Value::Number(value),
            Self::Time(micros) => Value::Time(micros),
            Self::Word(word) => Value::Word(word),
            Self::Absent => Value::Absent,
        }
    }
}

/// What a field holds, and so how it may be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Value::Text`].
    Text,
    /// [`Value::Number`].
    Number,
    /// [`Value::Time`].
    Time,
    /// [`Value::Word`], one of these.
    Word(&'static [&'static str]),
    /// A map, read with [`Listed::labels`].
    Labels,
}

/// A field that may be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in the contract.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A resource that can be listed. `name` must be a text; it is the default order.
pub trait Listed {
    /// The fields that may be filtered by.
    const FIELDS: &'static [Field];
    /// The fields that may be ordered by, `name` among them.
    const ORDER: &'static [&'static str];

    /// The value of a field out of `FIELDS` or `ORDER`, of the kind declared
    /// there. Not called for [`Kind::Labels`].
    fn value(&self, field: &'static str) -> Value<'_>;

    /// The labels, if it has such a field.
    fn labels(&self) -> Option<&BTreeMap<String, String>>;

    /// Tells items of one name apart: a deleted snapshot and its successor (L1).
    fn uid(&self) -> Uuid;
}

impl<L: Listed> Listed for &L {
    const FIELDS: &'static [Field] = L::FIELDS;
    const ORDER: &'static [&'static str] = L::ORDER;

    fn value(&self, field: &'static str) -> Value<'_> {
        (**self).value(field)
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        (**self).labels()
    }

    fn uid(&self) -> Uuid {
        (**self).uid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::fixture::any_value;
    use proptest::prelude::*;

    #[test]
    fn absent_comes_last() {
        for value in [Value::Number(i64::MAX), Value::Time(0), Value::Word("Z"), Value::Text("é".into())] {
            assert_eq!(value.compare(&Value::Absent), Ordering::Less);
            assert_eq!(Value::Absent.compare(&value), Ordering::Greater);
        }
    }

    proptest! {
        #[test]
        fn values_have_a_total_order(a in any_value(), b in any_value(), c in any_value()) {
            prop_assert_eq!(a.compare(&b), b.compare(&a).reverse());
            prop_assert_eq!(a.compare(&a), Ordering::Equal);
            if a.compare(&b).is_le() && b.compare(&c).is_le() {
                prop_assert!(a.compare(&c).is_le());
            }
        }
    }
}
