//! What a source reads, without the reading: where objects may lie, what they hold, and how their bytes become
//! records. Nothing here opens a file, a socket or a task.
//!
//! An object goes through [`decode`] (bytes out of gzip or zstd), [`records`] (bytes into records) and [`fields`]
//! (a record into a document). Invariants, cited in the tests:
//!
//! - **O1** The same bytes give the same records under the same numbers, however they are cut into chunks and
//!   wherever the reading starts ([`records::Records::skip_to`]).
//! - **O2** One bad record costs itself; an object whose structure is broken ends with an error, after every record
//!   before it.
//! - **O3** Memory is bounded by constants, whatever the size of an object, of its records, or how well it was packed.
//! - **O4** A record without an id gets the same one whenever it is read.

pub mod allow;
pub mod decode;
pub mod error;
pub mod fields;
pub mod format;
pub mod location;
pub mod origin;
pub mod pattern;
pub mod records;

#[cfg(test)]
mod testing;
