//! What errors of the index are to others.

use std::sync::Arc;

use crate::error::Error;

impl From<sled::Error> for Error {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Corruption { .. } => Self::DataLoss(error.to_string()),
            _ => Self::Unavailable(Arc::new(error)),
        }
    }
}
