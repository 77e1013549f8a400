//! A resource for the tests of this module.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::filter::Filter;
use super::listed::{Field, Kind, Listed, Value};

/// Like a snapshot, with a field of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    pub name: String,
    pub uid: Uuid,
    pub description: Option<String>,
    pub state: Option<&'static str>,
    pub size_bytes: i64,
    pub end_time: Option<i64>,
    pub labels: BTreeMap<String, String>,
}

pub const STATES: &[&str] = &["REQUESTED", "CREATED"];

impl Listed for Item {
    const FIELDS: &'static [Field] = &[
        Field { name: "name", kind: Kind::Text },
        Field { name: "description", kind: Kind::Text },
        Field { name: "labels", kind: Kind::Labels },
        Field { name: "state", kind: Kind::Word(STATES) },
        Field { name: "size_bytes", kind: Kind::Number },
        Field { name: "end_time", kind: Kind::Time },
    ];
    const ORDER: &'static [&'static str] = &["name", "size_bytes", "end_time"];

    fn value(&self, field: &'static str) -> Value<'_> {
        match field {
            "name" => Value::Text(self.name.as_str().into()),
            "description" => self.description.as_deref().map_or(Value::Absent, |text| Value::Text(text.into())),
            "state" => self.state.map_or(Value::Absent, Value::Word),
            "size_bytes" => Value::Number(self.size_bytes),
            "end_time" => self.end_time.map_or(Value::Absent, Value::Time),
            other => panic!("{other} is not a field"),
        }
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.labels)
    }

    fn uid(&self) -> Uuid {
        self.uid
    }
}

/// Any value of any kind, often equal to another one.
pub fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        "[ab]{0,2}|\\PC{0,8}".prop_map(|text| Value::Text(text.into())),
        prop_oneof![-2..3_i64, any::<i64>()].prop_map(Value::Number),
        prop_oneof![-2..3_i64, any::<i64>()].prop_map(Value::Time),
        prop::sample::select(vec!["CREATED", "a"]).prop_map(Value::Word),
        Just(Value::Absent),
    ]
}

/// Items with few names, sizes and times, so that ties are common; the uid
/// tells them apart.
pub fn any_items(max: usize) -> impl Strategy<Value = Vec<Item>> {
    let one = ("[a-c]{1,2}", 0..3_i64, prop::option::of(0..3_i64), prop::option::of(prop::sample::select(STATES)));
    prop::collection::vec(one, 0..max).prop_map(|rows| {
        rows.into_iter()
            .zip(1_u128..)
            .map(|((name, size_bytes, end_time, state), n)| Item {
                name,
                // Not in the order of creation.
                uid: Uuid::from_u128(n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
                state,
                size_bytes,
                end_time,
                ..Item::default()
            })
            .collect()
    })
}

/// Every way of ordering them that differs.
pub fn any_order_text() -> impl Strategy<Value = String> {
    let field = prop::sample::subsequence(Item::ORDER, 0..=3).prop_shuffle();
    (field, any::<[bool; 3]>()).prop_map(|(fields, descending)| {
        let term = |(field, desc): (&&str, bool)| format!("{field}{}", if desc { " desc" } else { "" });
        fields.iter().zip(descending).map(term).collect::<Vec<_>>().join(", ")
    })
}

/// Fails unless each filter is refused with a message that contains the text.
#[track_caller]
pub fn refused(filters: &[(&str, &str)]) {
    for (text, expected) in filters {
        let found = match Filter::parse::<Item>(text) {
            Err(error) => error.to_string(),
            Ok(filter) => panic!("{text}: {filter:?}"),
        };
        assert!(found.contains(expected), "{text}: {found}");
    }
}
