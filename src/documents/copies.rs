//! Copies: a restore plans one, copies files, and makes a database of them.

pub mod adopt;
pub mod copy;
pub mod plan;
