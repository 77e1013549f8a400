//! RFC 6902 patches plus `increment`, on a body from [`super::value::parse`]: key order and number text stay.
//!
//! A patch is bounded in what it may cost, because it runs in the collection's one writer task: operations,
//! result size, result depth, and all that it computes ([`Work`]).

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use super::{body::MAX_DEPTH, value};

mod document;
mod measure;
mod number;
mod pointer;
mod work;

use measure::{Measure, check_key, key_bytes, measure};

pub use document::Document;
pub use measure::depth;
pub use pointer::{MAX_POINTER_BYTES, MAX_POINTER_STEPS, Pointer, PointerError};
pub use work::Work;

/// More operations than this are refused.
pub const MAX_OPERATIONS: usize = 1000;

/// A patch may cost so many units of [`Work`] for each byte that a document may have: plenty for any sane patch, a
/// bound for the others.
const WORK_FACTOR: usize = 56;

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

    /// The bytes that have to be parsed for that.
    fn bytes(&self) -> usize;
}

impl Operand for Value {
    fn value(&self) -> Result<Cow<'_, Value>, PatchReason> {
        Ok(Cow::Borrowed(self))
    }

    fn bytes(&self) -> usize {
        0
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

    fn bytes(&self) -> usize {
        self.0.len()
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

impl PatchError {
    /// Whether it had to end because of what it may cost.
    #[must_use]
    pub fn is_too_much_work(&self) -> bool {
        matches!(self, Self::Failed { reason: PatchReason::TooMuchWork, .. })
    }
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
    #[error("the patch is too much work: it parses, copies, compares or moves too much")]
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

    fn pointer_bytes(&self) -> usize {
        match self {
            Self::Add { path, .. }
            | Self::Replace { path, .. }
            | Self::Remove { path }
            | Self::Test { path, .. }
            | Self::Increment { path, .. } => path.bytes(),
            Self::Copy { from, path } | Self::Move { from, path } => from.bytes() + path.bytes(),
        }
    }
}

impl PatchOp<Text> {
    /// About how many bytes it takes up.
    #[must_use]
    pub fn cost(&self) -> usize {
        OPERATION_BYTES + self.pointer_bytes() + self.operand_bytes()
    }

    fn operand_bytes(&self) -> usize {
        match self {
            Self::Add { value, .. }
            | Self::Replace { value, .. }
            | Self::Test { value, .. }
            | Self::Increment { value, .. } => value.0.len(),
            Self::Remove { .. } | Self::Copy { .. } | Self::Move { .. } => 0,
        }
    }
}

/// The most that a document of at most so many bytes may cost one patch, in units of [`Work`].
#[must_use]
pub const fn work_of(max_bytes: usize) -> usize {
    max_bytes.saturating_mul(WORK_FACTOR)
}

/// At most what a patch costs a document of so many bytes, in units of [`Work`].
#[must_use]
pub fn estimate(ops: &[PatchOp<Text>], body: usize) -> usize {
    let bytes = ops.iter().fold(body, |bytes, op| bytes.saturating_add(op.operand_bytes()));
    // Each copy may double it.
    let copies = ops.iter().filter(|op| matches!(op, PatchOp::Copy { .. })).count();
    let grown = u32::try_from(copies).ok().and_then(|copies| 1_usize.checked_shl(copies)).unwrap_or(usize::MAX);
    let began = ops.iter().map(|op| work::beginning(op.pointer_bytes())).fold(0, usize::saturating_add);
    work::at_most(ops.len(), bytes.saturating_mul(grown)).saturating_add(began)
}

/// Applies all operations, in order. The compact text of the document behind them; `None` if it is what it was. After
/// an error the document may be half patched, and [is no longer whole](Document::is_whole). `max_bytes` bounds the
/// compact text, `work` what all of it may cost.
pub fn apply<V: Operand>(
    document: &mut Document,
    ops: &[PatchOp<V>],
    max_bytes: usize,
    work: &mut Work,
) -> Result<Option<Bytes>, PatchError> {
    if ops.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { count: ops.len() });
    }
    let at = |index| move |reason| PatchError::Failed { index, reason };
    let may_change = ops.iter().any(PatchOp::may_change);
    let before = if may_change { Some(document.text(work).map_err(at(0))?) } else { None };
    let mut patch = Patch { document: &mut *document, work: &mut *work };
    for (index, op) in ops.iter().enumerate() {
        // Checked after each operation: copies of copies double, and one step too far is at most twice the limit.
        let within = |patch: &Patch<'_>| {
            if patch.document.size.bytes > max_bytes { Err(PatchReason::TooLarge { limit: max_bytes }) } else { Ok(()) }
        };
        patch.step(op).and_then(|()| within(&patch)).map_err(at(index))?;
    }
    let Some(before) = before else { return Ok(None) };
    document.is_whole = true;
    let after = document.text(work).map_err(|reason| {
        document.is_whole = false;
        PatchError::Failed { index: ops.len().saturating_sub(1), reason }
    })?;
    Ok(Some(after).filter(|after| *after != before))
}

struct Patch<'a> {
    document: &'a mut Document,
    work: &'a mut Work,
}

impl Patch<'_> {
    fn step<V: Operand>(&mut self, op: &PatchOp<V>) -> Outcome {
        self.work.spend(work::beginning(op.pointer_bytes()))?;
        match op {
            PatchOp::Add { path, value } => {
                outside_special(path)?;
                let (value, size) = self.operand(value)?;
                self.insert(path, size, || value.into_owned())
            }
            PatchOp::Replace { path, value } => {
                outside_special(path)?;
                let (value, size) = self.operand(value)?;
                self.replace(path, size, value.into_owned())
            }
            PatchOp::Remove { path } => {
                outside_special(path)?;
                let removed = self.take(path)?;
                let size = self.measure(&removed)?;
                self.document.size.take(&size);
                Ok(())
            }
            PatchOp::Copy { from, path } => self.copy(from, path),
            PatchOp::Move { from, path } => self.relocate(from, path),
            PatchOp::Test { path, value } => {
                outside_special(path)?;
                // To measure it bounds the recursion of the comparison, too.
                let (value, size) = self.operand(value)?;
                let found = path.find(&self.document.value).ok_or_else(|| PatchReason::NotFound(path.clone()))?;
                self.work.spend(work::looking(&size))?;
                if same(found, &value, self.work)? { Ok(()) } else { Err(PatchReason::TestFailed(path.clone())) }
            }
            PatchOp::Increment { path, value } => {
                outside_special(path)?;
                let (value, _) = self.operand(value)?;
                self.increment(path, &value)
            }
        }
    }

    /// What an operation brings along, and what it weighs.
    fn operand<'v, V: Operand>(&mut self, value: &'v V) -> Outcome<(Cow<'v, Value>, Measure)> {
        self.work.spend(value.bytes())?;
        let value = value.value()?;
        let size = measure(&value)?;
        self.work.spend(work::holding(&size))?;
        Ok((value, size))
    }

    fn measure(&mut self, value: &Value) -> Outcome<Measure> {
        let size = measure(value)?;
        self.work.spend(work::looking(&size))?;
        Ok(size)
    }

    fn copy(&mut self, from: &Pointer, path: &Pointer) -> Outcome {
        outside_special(from)?;
        outside_special(path)?;
        let source = from.find(&self.document.value).ok_or_else(|| PatchReason::NotFound(from.clone()))?;
        let size = measure(source)?;
        self.work.spend(work::looking(&size) + work::making(&size))?;
        let copy = source.clone();
        self.insert(path, size, || copy)
    }

    fn relocate(&mut self, from: &Pointer, path: &Pointer) -> Outcome {
        outside_special(from)?;
        outside_special(path)?;
        if from == path {
            return from.find(&self.document.value).map(drop).ok_or_else(|| PatchReason::NotFound(from.clone()));
        }
        if from.is_ancestor_of(path) {
            return Err(PatchReason::IntoItself(from.clone()));
        }
        let value = self.take(from)?;
        // Where it is no deeper than it was its size changes nothing, unless it becomes all there is.
        let is_sized = path.is_root() || path.len() > from.len();
        let size = if is_sized { self.measure(&value)? } else { Measure::default() };
        self.document.size.take(&size);
        self.insert(path, size, || value)
    }

    fn increment(&mut self, path: &Pointer, value: &Value) -> Outcome {
        let target = path.find_mut(&mut self.document.value).ok_or_else(|| PatchReason::NotFound(path.clone()))?;
        let (Value::Number(current), Value::Number(by)) = (&*target, value) else {
            return Err(PatchReason::NotANumber(path.clone()));
        };
        self.work.spend(current.as_str().len())?;
        let sum = number::add(current, by).ok_or_else(|| PatchReason::Overflow(path.clone()))?;
        let (old, new) = (current.as_str().len(), sum.as_str().len());
        *target = Value::Number(sum);
        self.document.change(new, old);
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
        let (added, is_member, old) = match parent.find_mut(&mut self.document.value).ok_or_else(not_found)? {
            Value::Object(members) => {
                let added = key_bytes(&last) + usize::from(!members.is_empty());
                match members.insert(last.into_owned(), value()) {
                    None => (added, true, None),
                    old => (0, false, old),
                }
            }
            Value::Array(items) => {
                let index = if last == "-" { Some(items.len()) } else { pointer::index(&last) };
                let behind =
                    index.and_then(|index| items.get(index..)).ok_or_else(|| PatchReason::BadIndex(path.clone()))?;
                self.work.spend(work::moving_items(behind.len()))?;
                let (index, added) = (items.len() - behind.len(), usize::from(!items.is_empty()));
                items.insert(index, value());
                (added, false, None)
            }
            _ => return Err(not_found()),
        };
        self.document.change(added, 0);
        self.document.size.weight += if is_member { measure::MEMBER } else { 0 };
        self.document.size.add(&new);
        self.let_go(old)
    }

    fn replace(&mut self, path: &Pointer, new: Measure, value: Value) -> Outcome {
        if path.is_root() {
            return self.replace_root(new, value);
        }
        if path.len() + new.depth > MAX_DEPTH {
            return Err(PatchReason::TooDeep);
        }
        let target = path.find_mut(&mut self.document.value).ok_or_else(|| PatchReason::NotFound(path.clone()))?;
        let old = std::mem::replace(target, value);
        self.document.change(0, 0);
        self.document.size.add(&new);
        self.let_go(Some(old))
    }

    /// Counts what another value has taken the place of as gone.
    fn let_go(&mut self, old: Option<Value>) -> Outcome {
        if let Some(old) = old {
            let size = self.measure(&old)?;
            self.document.size.take(&size);
        }
        Ok(())
    }

    fn replace_root(&mut self, new: Measure, value: Value) -> Outcome {
        let Value::Object(members) = &value else {
            return Err(PatchReason::NotAnObject);
        };
        if members.keys().any(|key| is_special(key)) {
            return Err(PatchReason::SpecialField);
        }
        self.document.change(0, 0);
        self.document.size = new;
        self.document.value = value;
        Ok(())
    }

    /// The caller takes the value's own size off.
    fn take(&mut self, path: &Pointer) -> Outcome<Value> {
        let (parent, last) = path.split_last().ok_or(PatchReason::RemovesRoot)?;
        let not_found = || PatchReason::NotFound(path.clone());
        let (value, removed, is_member) = match parent.find_mut(&mut self.document.value).ok_or_else(not_found)? {
            Value::Object(members) => {
                // `remove` would move the last key into the gap.
                self.work.spend(work::moving_members(members.len()))?;
                let value = members.shift_remove(&*last).ok_or_else(not_found)?;
                (value, key_bytes(&last) + usize::from(!members.is_empty()), true)
            }
            Value::Array(items) => {
                let index = pointer::index(&last).ok_or_else(|| PatchReason::BadIndex(path.clone()))?;
                let behind = items.get(index..).filter(|rest| !rest.is_empty()).ok_or_else(not_found)?;
                self.work.spend(work::moving_items(behind.len()))?;
                let value = items.remove(index);
                (value, usize::from(!items.is_empty()), false)
            }
            _ => return Err(not_found()),
        };
        self.document.change(0, removed);
        let size = &mut self.document.size;
        size.weight = size.weight.saturating_sub(if is_member { measure::MEMBER } else { 0 });
        Ok(value)
    }
}

fn is_special(key: &str) -> bool {
    matches!(key, "_id" | "_event_time")
}

/// They live beside the body; a patch of them would silently do nothing.
fn outside_special(path: &Pointer) -> Outcome {
    if path.first().is_some_and(|first| is_special(&first)) { Err(PatchReason::SpecialField) } else { Ok(()) }
}

/// RFC 6902 equality: numbers by value, objects irrespective of order. Whoever asks has paid for the second of them;
/// what else is read of the first is paid for here.
fn same(a: &Value, b: &Value, work: &mut Work) -> Outcome<bool> {
    Ok(match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            work.spend(work::comparing(a.as_str().len()))?;
            number::same(a, b)
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !same(a, b, work)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in a {
                work.spend(work::comparing(key.len()))?;
                match b.get(key) {
                    Some(other) if same(value, other, work)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        _ => a == b,
    })
}

#[cfg(test)]
mod tests;
