//! Damage of an object, as an error that goes through SlateDB unchanged.

use std::error::Error as StdError;

use slatedb::object_store::{Error as StoreError, path::Path};
use slatedb_common::retry::NonRetryable;

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has no byte.
    #[error("is empty")]
    Empty,
    /// It ends before its seal, or before what is read of it.
    #[error("is cut")]
    Cut,
    /// Its bytes are not those that were written.
    #[error("is not what was written")]
    Changed,
    /// It is whole, and was written under another name.
    #[error("is another object's")]
    Foreign,
}

/// An object is damaged. Nobody need try again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{path} {fault}")]
pub struct Damage {
    /// The object.
    pub path: Path,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Damage {
    /// The damage that an error comes from, if it comes from one.
    pub fn behind<'a>(mut error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        loop {
            if let Some(damage) = error.downcast_ref::<Self>() {
                return Some(damage);
            }
            // An `io::Error` passes over what it was made of.
            error = match error.downcast_ref::<std::io::Error>() {
                Some(wrapped) => wrapped.get_ref()?,
                None => error.source()?,
            };
        }
    }
}

impl From<Damage> for StoreError {
    /// SlateDB would otherwise read it again for seconds.
    fn from(damage: Damage) -> Self {
        Self::Generic { store: "stillframe", source: Box::new(NonRetryable(Box::new(damage))) }
    }
}
