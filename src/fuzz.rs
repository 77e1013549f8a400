//! What the fuzz targets of `fuzz/` run: one function for each, in a file of its
//! own, so that the tests replay the kept corpus without a fuzzer.
//!
//! A target takes any bytes and asserts what must hold of all of them, not only
//! that nothing panics. Where it can, its input is what a client or an object
//! would hold, so that a file of the corpus is something one can read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "so a target fails"
)]
#![allow(missing_docs, reason = "each file says at its head what its target asserts")]

mod csv;
mod filter;
mod json_array;
mod json_body;
mod ndjson;
mod packed;
mod page_token;
mod patch;
mod records;
mod request_conversion;
mod stored_records;

#[cfg(test)]
mod replay;

pub use self::{
    csv::csv, filter::filter, json_array::json_array, json_body::json_body, ndjson::ndjson, packed::packed,
    page_token::page_token, patch::patch, request_conversion::request_conversion, stored_records::stored_records,
};
