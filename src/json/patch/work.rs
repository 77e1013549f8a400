//! What patches may compute. Everything that takes time is paid for before or right behind
//! it, failures too, in units of which one is about five nanoseconds of a release build: what
//! a byte of a string takes to be parsed, at most.

use super::{
    Outcome, PatchReason,
    measure::{CONTAINER, Measure},
};

/// How many times cheaper it is to look at a value, or to write it down, than to make it.
const LOOK: usize = 4;
/// What an operation takes, and each byte of its pointers: a step is a look into a table.
const OPERATION: usize = 32;
const POINTER_BYTE: usize = 8;
/// What a member or an item takes to make room, or to close up.
const MEMBER_MOVED: usize = 4;
const ITEM_MOVED: usize = 2;

/// What may still be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work(usize);

impl Work {
    /// So many units.
    #[must_use]
    pub const fn new(units: usize) -> Self {
        Self(units)
    }

    /// How many are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.0
    }

    /// Pays for what is about to be done, or has been done.
    pub(super) fn spend(&mut self, units: usize) -> Outcome {
        self.0 = self.0.checked_sub(units).ok_or(PatchReason::TooMuchWork)?;
        Ok(())
    }

    /// Pays for what was done, as far as there is something left.
    pub fn charge(&mut self, units: usize) {
        self.0 = self.0.saturating_sub(units);
    }
}

/// To make a value: to parse it, or to copy it.
pub(super) fn making(size: &Measure) -> usize {
    size.bytes.saturating_add(size.weight)
}

/// To make a value whose bytes are paid for, and to walk through it.
pub(super) fn holding(size: &Measure) -> usize {
    size.weight.saturating_add(looking(size))
}

/// To walk through a value, or to write its text.
pub(super) fn looking(size: &Measure) -> usize {
    making(size) / LOOK
}

/// To begin an operation with pointers of so many bytes.
pub(super) fn beginning(pointers: usize) -> usize {
    OPERATION + POINTER_BYTE * pointers
}

/// To move so many members of an object.
pub(super) fn moving_members(count: usize) -> usize {
    MEMBER_MOVED.saturating_mul(count)
}

/// To move so many items of an array.
pub(super) fn moving_items(count: usize) -> usize {
    ITEM_MOVED.saturating_mul(count)
}

/// To read so much of texts that are compared.
pub(super) fn comparing(bytes: usize) -> usize {
    bytes / LOOK
}

/// At most what a patch with so many operations costs, of a document and operands of so
/// many bytes together that cannot grow: a list has two bytes at least.
pub(super) fn at_most(operations: usize, bytes: usize) -> usize {
    let once = bytes.saturating_mul(1 + CONTAINER / 2);
    // Parsed once, and looked at before and behind.
    operations.saturating_add(2).saturating_mul(once)
}
