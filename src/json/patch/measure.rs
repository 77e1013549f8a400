//! What a value weighs: depth, and the length of its compact text.

use serde_json::Value;

use super::{Outcome, PatchReason};
use crate::json::{body::MAX_DEPTH, error::is_reserved};

/// What values take to be made and dropped again, beside their bytes: allocations, all over
/// the memory. A list or an object has room for some items, a member a place in a table.
pub(super) const VALUE: usize = 16;
pub(super) const CONTAINER: usize = 40;
pub(super) const MEMBER: usize = 48;

/// Objects and arrays inside each other; a scalar has depth 0. Does not recurse.
#[must_use]
pub fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 0)];
    while let Some((value, above)) = open.pop() {
        match value {
            Value::Object(members) => open.extend(members.values().map(|v| (v, above + 1))),
            Value::Array(items) => open.extend(items.iter().map(|v| (v, above + 1))),
            _ => continue,
        }
        deepest = deepest.max(above + 1);
    }
    deepest
}

/// What a value weighs in the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Measure {
    /// Of its compact text.
    pub(super) bytes: usize,
    /// What its values take to be made and dropped again beside their bytes, in units of
    /// [`Work`](super::Work).
    pub(super) weight: usize,
    pub(super) depth: usize,
}

impl Measure {
    /// With another value in it.
    pub(super) fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.weight = self.weight.saturating_add(other.weight);
    }

    /// Without a value that was in it.
    pub(super) fn take(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.weight = self.weight.saturating_sub(other.weight);
    }
}

/// One walk for everything that must hold of a value before it may enter the document; stops at `MAX_DEPTH`.
pub(super) fn measure(value: &Value) -> Outcome<Measure> {
    fn walk(value: &Value, above: usize, total: &mut Measure) -> Outcome {
        total.weight += match value {
            Value::Array(_) => CONTAINER,
            Value::Object(members) => CONTAINER + MEMBER * members.len(),
            _ => VALUE,
        };
        total.bytes += match value {
            Value::Null | Value::Bool(true) => 4,
            Value::Bool(false) => 5,
            Value::Number(number) => number.as_str().len(),
            Value::String(text) => string_bytes(text),
            Value::Array(items) => 2 + items.len().saturating_sub(1),
            Value::Object(members) => {
                2 + members.len().saturating_sub(1) + members.keys().map(|key| key_bytes(key)).sum::<usize>()
            }
        };
        if !(value.is_array() || value.is_object()) {
            return Ok(());
        }
        if above == MAX_DEPTH {
            return Err(PatchReason::TooDeep);
        }
        total.depth = total.depth.max(above + 1);
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| walk(item, above + 1, total)),
            Value::Object(members) => members.iter().try_for_each(|(key, member)| {
                check_key(key)?;
                walk(member, above + 1, total)
            }),
            _ => Ok(()),
        }
    }
    let mut total = Measure::default();
    walk(value, 0, &mut total)?;
    Ok(total)
}

/// With quotes and escapes.
fn string_bytes(text: &str) -> usize {
    let escape = |byte| match byte {
        b'"' | b'\\' | 8 | b'\t' | b'\n' | 12 | b'\r' => 1,
        0..=0x1F => 5,
        _ => 0,
    };
    2 + text.len() + text.bytes().map(escape).sum::<usize>()
}

/// With its colon.
pub(super) fn key_bytes(key: &str) -> usize {
    string_bytes(key) + 1
}

pub(super) fn check_key(key: &str) -> Outcome {
    if is_reserved(key) { Err(PatchReason::ReservedKey(key.chars().take(64).collect())) } else { Ok(()) }
}
