//! The services of the contract: handlers convert what is asked, call the domain, and convert
//! what it answers.

pub mod access;
mod change;
pub mod collection;
mod convert;
pub mod document;
mod etag;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzzed;
pub mod health;
mod listing;
pub mod reflection;
pub mod restore;
pub mod server_info;
pub mod snapshot;
pub mod source;
mod watching;
pub mod workspace;

/// What requests may say, for the tests that add up the largest records.
#[cfg(test)]
pub mod limits {
    pub use super::{
        access::MAX_BINDINGS,
        convert::{
            MAX_DESCRIPTION_BYTES, MAX_LABEL_KEY_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_REQUEST_ID_BYTES,
        },
    };
}
