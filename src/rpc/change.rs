//! Changes run to their end.

use std::sync::Arc;

use tracing::Instrument;

use crate::{error::Error, tasks::Tasks};

/// Runs a change to its end even if the client goes away in the middle: tonic
/// drops the handler then, and a change that stops between its effect and its
/// record would wait for the next start to be settled.
pub async fn to_its_end<T: Send + 'static>(
    tasks: &Tasks,
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let ended = tasks.work(change.in_current_span()).await;
    ended.map_err(|panicked| Error::Internal(Arc::new(panicked)))?
}
