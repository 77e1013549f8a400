//! How long storage may take. SlateDB tries some requests again without end, and
//! a caller must not wait so long: storage that is stuck is storage that failed.

use std::{sync::Arc, time::Duration};

use crate::error::Error;

/// How long each kind of work may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoragePatience {
    /// A read of documents.
    pub read: Duration,
    /// A look into a manifest, or a change of one.
    pub admin: Duration,
    /// The opening of a database, which reads its manifest and replays its log.
    pub open: Duration,
    /// Until a write is durable.
    pub durable: Duration,
}

impl StoragePatience {
    /// What a caller can wait for.
    pub const DEFAULT: Self = Self {
        read: Duration::from_secs(10),
        admin: Duration::from_secs(10),
        open: Duration::from_secs(30),
        durable: Duration::from_secs(30),
    };
}

/// The result of work that must not take longer.
pub async fn within<T, E: Into<Error>>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(late) => Err(Error::Unavailable(Arc::new(late))),
    }
}
