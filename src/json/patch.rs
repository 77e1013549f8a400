//! RFC 6902 patches plus `increment`, on a body from [`super::value::parse`]: key order and number text stay.
//!
//! A patch is bounded in what it may cost, because it runs in the collection's one writer task: operations,
//! result size, result depth, and the bytes that it copies or shifts.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{body::MAX_DEPTH, value};

mod measure;
mod number;
mod pointer;

use measure::{Measure, check_key, key_bytes, measure};

pub use measure::depth;
pub use pointer::{MAX_POINTER_BYTES, MAX_POINTER_STEPS, Pointer, PointerError};

/// More operations than this are refused.
pub const MAX_OPERATIONS: usize = 1000;

/// Copying and shifting may touch this many times `max_bytes`: plenty for any sane patch, a bound for the others.
const WORK_FACTOR: usize = 32;

/// What an operation takes up besides its pointers and its operand.
const OPERATION_BYTES: usize = 96;

/// Values come from [`super::value::parse`]: serde_json's own parser drops duplicate keys and rewrites exponents.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the operations of RFC 6902, and increment")]
pub enum PatchOp<V = Value> {
    Add {
        path: Pointer,
        value: V,
    },
    Replace {
        path: Pointer,
        value: V,
    },
    Remove {
        path: Pointer,
    },
    Copy {
        from: Pointer,
        path: Pointer,
    },
    Move {
        from: Pointer,
        path: Pointer,
    },
    Test {
        path: Pointer,
        value: V,
    },
    /// Adds to a number: two integers stay exact, anything else is added as doubles.
    Increment {
        path: Pointer,
        value: V,
    },
}

/// What an operation brings along.
pub trait Operand {
    /// As a value.
    fn value(&self) -> Result<Cow<'_, Value>, PatchReason>;
}

impl Operand for Value {
    fn value(&self) -> Result<Cow<'_, Value>, PatchReason> {
        Ok(Cow::Borrowed(self))
    }
}

/// The text of a value that has been checked. While an operation waits for its turn it
/// is kept so: as a value it would take up to fifty times the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub Bytes);

impl Operand for Text {
    fn value(&self) -> Result<Cow<'_, Value>, PatchReason> {
        value::parse(&self.0).map(Cow::Owned).map_err(|error| PatchReason::BadValue(error.to_string()))
    }
}

/// Why a patch was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum PatchError {
    #[error("patch has {count} operations, more than {MAX_OPERATIONS}")]
    TooManyOperations { count: usize },
    #[error("patch operation {index}: {reason}")]
    Failed { index: usize, reason: PatchReason },
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum PatchReason {
    #[error("nothing is at {0}")]
    NotFound(Pointer),
    #[error("{0} is not an index of its array")]
    BadIndex(Pointer),
    #[error("{0} cannot be moved into itself")]
    IntoItself(Pointer),
    #[error("the document itself cannot be removed")]
    RemovesRoot,
    #[error("the document must stay an object")]
    NotAnObject,
    #[error("_id and _event_time are not part of the body; write the document to change them")]
    SpecialField,
    #[error("key {0} is reserved")]
    ReservedKey(String),
    #[error("the value at {0} differs")]
    TestFailed(Pointer),
    #[error("increment of {0} needs a number there and a number to add")]
    NotANumber(Pointer),
    #[error("increment of {0} leaves the range of its number")]
    Overflow(Pointer),
    #[error("the document would be nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("the document would have more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the patch copies or shifts too much data")]
    TooMuchWork,
    #[error("the value cannot be read: {0}")]
    BadValue(String),
}

type Outcome<T = ()> = Result<T, PatchReason>;

impl<V> PatchOp<V> {
    /// Whether it can leave another document behind: neither a test nor a move onto itself does.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self {
            Self::Test { .. } => false,
            Self::Move { from, path } => from != path,
            Self::Add { .. }
            | Self::Replace { .. }
            | Self::Remove { .. }
            | Self::Copy { .. }
            | Self::Increment { .. } => true,
        }
    }
}

impl PatchOp<Text> {
    /// About how many bytes it takes up.
    #[must_use]
    pub fn cost(&self) -> usize {
        let own = match self {
            Self::Add { path, value }
            | Self::Replace { path, value }
            | Self::Test { path, value }
            | Self::Increment { path, value } => path.bytes() + value.0.len(),
            Self::Remove { path } => path.bytes(),
            Self::Copy { from, path } | Self::Move { from, path } => from.bytes() + path.bytes(),
        };
        OPERATION_BYTES + own
    }
}

/// Applies all operations, in order. After an error `document` is half patched and must be dropped: the
/// caller parsed it for this patch, a second copy would only cost. `max_bytes` bounds the compact text.
pub fn apply<V: Operand>(document: &mut Value, ops: &[PatchOp<V>], max_bytes: usize) -> Result<(), PatchError> {
    if ops.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { count: ops.len() });
    }
    let bytes = measure(document).map_err(|reason| PatchError::Failed { index: 0, reason })?.bytes;
    let work = max_bytes.saturating_mul(WORK_FACTOR);
    let mut patch = Patch { document, bytes, work };
    for (index, op) in ops.iter().enumerate() {
        // Checked after each operation: copies of copies double, and one step too far is at most twice the limit.
        let within = |patch: &Patch<'_>| {
            if patch.bytes > max_bytes { Err(PatchReason::TooLarge { limit: max_bytes }) } else { Ok(()) }
        };
        patch.step(op).and_then(|()| within(&patch)).map_err(|reason| PatchError::Failed { index, reason })?;
    }
    Ok(())
}

struct Patch<'a> {
    document: &'a mut Value,
    /// The length of the document's compact text, exactly: what each operation adds and takes away.
    bytes: usize,
    work: usize,
}

impl Patch<'_> {
    fn step<V: Operand>(&mut self, op: &PatchOp<V>) -> Outcome {
        match op {
            PatchOp::Add { path, value } => {
                outside_special(path)?;
                let value = value.value()?;
                self.insert(path, measure(&value)?, || value.into_owned())
            }
            PatchOp::Replace { path, value } => {
                outside_special(path)?;
                let value = value.value()?;
                let new = measure(&value)?;
                self.replace(path, new, value.into_owned())
            }
            PatchOp::Remove { path } => {
                outside_special(path)?;
                let removed = self.take(path)?;
                self.bytes = self.bytes.saturating_sub(measure(&removed)?.bytes);
                Ok(())
            }
            PatchOp::Copy { from, path } => self.copy(from, path),
            PatchOp::Move { from, path } => self.relocate(from, path),
            PatchOp::Test { path, value } => {
                outside_special(path)?;
                let value = value.value()?;
                measure(&value)?; // bounds the recursion of the comparison
                let found = path.find(self.document).ok_or_else(|| PatchReason::NotFound(path.clone()))?;
                if same(found, &value) { Ok(()) } else { Err(PatchReason::TestFailed(path.clone())) }
            }
            PatchOp::Increment { path, value } => {
                outside_special(path)?;
                self.increment(path, &*value.value()?)
            }
        }
    }

    fn copy(&mut self, from: &Pointer, path: &Pointer) -> Outcome {
        outside_special(from)?;
        outside_special(path)?;
        let source = from.find(self.document).ok_or_else(|| PatchReason::NotFound(from.clone()))?;
        let size = measure(source)?;
        spend(&mut self.work, size.bytes)?;
        let copy = source.clone();
        self.insert(path, size, || copy)
    }

    fn relocate(&mut self, from: &Pointer, path: &Pointer) -> Outcome {
        outside_special(from)?;
        outside_special(path)?;
        if from == path {
            return from.find(self.document).map(drop).ok_or_else(|| PatchReason::NotFound(from.clone()));
        }
        if from.is_ancestor_of(path) {
            return Err(PatchReason::IntoItself(from.clone()));
        }
        let value = self.take(from)?;
        let size = measure(&value)?;
        self.bytes = self.bytes.saturating_sub(size.bytes);
        self.insert(path, size, || value)
    }

    fn increment(&mut self, path: &Pointer, value: &Value) -> Outcome {
        let target = path.find_mut(self.document).ok_or_else(|| PatchReason::NotFound(path.clone()))?;
        let (Value::Number(current), Value::Number(by)) = (&*target, value) else {
            return Err(PatchReason::NotANumber(path.clone()));
        };
        let sum = number::add(current, by).ok_or_else(|| PatchReason::Overflow(path.clone()))?;
        let (old, new) = (current.as_str().len(), sum.as_str().len());
        *target = Value::Number(sum);
        self.bytes = self.bytes.saturating_sub(old).saturating_add(new);
        Ok(())
    }

    /// `add`: a new member or item, or another value for a member that exists, which keeps its place.
    fn insert(&mut self, path: &Pointer, new: Measure, value: impl FnOnce() -> Value) -> Outcome {
        let Some((parent, last)) = path.split_last() else {
            return self.replace_root(new, value());
        };
        check_key(&last)?;
        if path.len() + new.depth > MAX_DEPTH {
            return Err(PatchReason::TooDeep);
        }
        let not_found = || PatchReason::NotFound(path.clone());
        let (added, old) = match parent.find_mut(self.document).ok_or_else(not_found)? {
            Value::Object(members) => {
                let added = key_bytes(&last) + usize::from(!members.is_empty());
                match members.insert(last.into_owned(), value()) {
                    None => (added, 0),
                    Some(old) => (0, measure(&old)?.bytes),
                }
            }
            Value::Array(items) => {
                let index = if last == "-" { Some(items.len()) } else { pointer::index(&last) };
                let behind =
                    index.and_then(|index| items.get(index..)).ok_or_else(|| PatchReason::BadIndex(path.clone()))?;
                spend(&mut self.work, size_of_val(behind))?;
                let (index, added) = (items.len() - behind.len(), usize::from(!items.is_empty()));
                items.insert(index, value());
                (added, 0)
            }
            _ => return Err(not_found()),
        };
        self.bytes = self.bytes.saturating_add(added).saturating_add(new.bytes).saturating_sub(old);
        Ok(())
    }

    fn replace(&mut self, path: &Pointer, new: Measure, value: Value) -> Outcome {
        if path.is_root() {
            return self.replace_root(new, value);
        }
        if path.len() + new.depth > MAX_DEPTH {
            return Err(PatchReason::TooDeep);
        }
        let target = path.find_mut(self.document).ok_or_else(|| PatchReason::NotFound(path.clone()))?;
        let old = std::mem::replace(target, value);
        self.bytes = self.bytes.saturating_add(new.bytes).saturating_sub(measure(&old)?.bytes);
        Ok(())
    }

    fn replace_root(&mut self, new: Measure, value: Value) -> Outcome {
        let Value::Object(members) = &value else {
            return Err(PatchReason::NotAnObject);
        };
        if members.keys().any(|key| is_special(key)) {
            return Err(PatchReason::SpecialField);
        }
        self.bytes = new.bytes;
        *self.document = value;
        Ok(())
    }

    /// The caller takes the value's own bytes off.
    fn take(&mut self, path: &Pointer) -> Outcome<Value> {
        let (parent, last) = path.split_last().ok_or(PatchReason::RemovesRoot)?;
        let not_found = || PatchReason::NotFound(path.clone());
        match parent.find_mut(self.document).ok_or_else(not_found)? {
            Value::Object(members) => {
                // `remove` would move the last key into the gap. Shifting costs the keys behind it.
                spend(&mut self.work, members.len() * size_of::<(String, Value)>())?;
                let value = members.shift_remove(&*last).ok_or_else(not_found)?;
                self.bytes = self.bytes.saturating_sub(key_bytes(&last) + usize::from(!members.is_empty()));
                Ok(value)
            }
            Value::Array(items) => {
                let index = pointer::index(&last).ok_or_else(|| PatchReason::BadIndex(path.clone()))?;
                let behind = items.get(index..).filter(|rest| !rest.is_empty()).ok_or_else(not_found)?;
                spend(&mut self.work, size_of_val(behind))?;
                let value = items.remove(index);
                self.bytes = self.bytes.saturating_sub(usize::from(!items.is_empty()));
                Ok(value)
            }
            _ => Err(not_found()),
        }
    }
}

fn spend(work: &mut usize, bytes: usize) -> Outcome {
    *work = work.checked_sub(bytes).ok_or(PatchReason::TooMuchWork)?;
    Ok(())
}

fn is_special(key: &str) -> bool {
    matches!(key, "_id" | "_event_time")
}

/// They live beside the body; a patch of them would silently do nothing.
fn outside_special(path: &Pointer) -> Outcome {
    if path.first().is_some_and(|first| is_special(&first)) { Err(PatchReason::SpecialField) } else { Ok(()) }
}

/// RFC 6902 equality: numbers by value, objects irrespective of order.
fn same(a: &Value, b: &Value) -> bool {
    let same_members = |a: &Map<_, _>, b: &Map<_, _>| {
        a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
    };
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => number::same(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => same_members(a, b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
