//! What is counted of a document.

use crate::clock::Micros;

/// What the totals need to know of an entry that comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its digest.
    pub digest: u128,
    /// What it counts for.
    pub size: i64,
    /// The offset of the write that made it.
    pub changed_at: i64,
    /// When it happened.
    pub event_time: Micros,
}
