//! Verification: whether a database is what was left, and which object is damaged if not.

pub mod culprit;
pub mod inspect;
pub mod repair;
pub mod verify;
