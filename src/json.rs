//! JSON documents: validation at the door, conversion, patches and filters.

pub mod body;
mod error;
pub mod fields;
pub mod filter;
mod keys;
mod number;
pub mod patch;
mod scan;
pub mod value;
