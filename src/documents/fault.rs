//! What errors of the storage below mean to the domain.

use std::sync::Arc;

use crate::error::Error;

/// What SlateDB says of a clock that is behind what a database has stored. Ours never
/// is; were it, that would pass.
const BEHIND: &str = "invalid clock tick";

impl From<slatedb::Error> for Error {
    fn from(error: slatedb::Error) -> Self {
        match error.kind() {
            slatedb::ErrorKind::Invalid if error.to_string().contains(BEHIND) => Error::Unavailable(Arc::new(error)),
            slatedb::ErrorKind::Data => Error::DataLoss(error.to_string()),
            slatedb::ErrorKind::Unavailable | slatedb::ErrorKind::Closed(_) | slatedb::ErrorKind::Transaction => {
                Error::Unavailable(Arc::new(error))
            }
            _ => Error::Internal(Arc::new(error)),
        }
    }
}

impl From<slatedb::object_store::Error> for Error {
    fn from(error: slatedb::object_store::Error) -> Self {
        Error::Unavailable(Arc::new(error))
    }
}
