//! The records: what was acknowledged is in the log, whatever happens to the index
//! of it, and damage of the log is told.

mod bases;
mod conformance;
pub mod given;
mod index;
mod kill;
mod log;
mod updates;
