//! Truncation: the files of intervals that have expired go, whole and unread, but not while a cut
//! counts on them.

pub mod drain;
pub mod drained;
pub mod floor;
mod merges;
