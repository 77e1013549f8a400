//! What errors of the storage below mean to the domain.

use std::sync::Arc;

use crate::error::Error;

impl From<slatedb::Error> for Error {
    fn from(error: slatedb::Error) -> Self {
        match error.kind() {
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
