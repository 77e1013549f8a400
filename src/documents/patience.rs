//! How long storage may take. SlateDB tries some requests again without end, and
//! a caller must not wait so long: storage that is stuck is storage that failed.

use std::{sync::Arc, time::Duration};

use crate::error::Error;

/// A read of documents.
pub const READ: Duration = Duration::from_secs(10);
/// A look into a manifest, or a change of one.
pub const ADMIN: Duration = Duration::from_secs(10);
/// The opening of a database, which reads its manifest and replays its log.
pub const OPEN: Duration = Duration::from_secs(30);

/// The result of work that must not take longer.
pub async fn within<T, E: Into<Error>>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(late) => Err(Error::Unavailable(Arc::new(late))),
    }
}
