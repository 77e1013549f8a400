//! The records: what was acknowledged is in the log, whatever happens to the index
//! of it, and damage of the log is told.

mod at;
mod bases;
pub mod conformance;
pub mod given;
pub mod index;
mod kill;
mod log;
#[cfg(feature = "s3")]
mod start;
mod updates;
