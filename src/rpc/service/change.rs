//! Changes run to their end.

use std::{sync::Arc, time::Duration};

use tracing::Instrument;

use crate::{
    error::Error,
    tasks::{Tasks, caught},
};

/// How long a caller waits for a change. What a change itself waits for is bounded,
/// but for the record log, whose storage may stay away: the change goes on then.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a change to its end even if the client goes away in the middle: tonic
/// drops the handler then, and a change that stops between its effect and its
/// record would wait for the next start to be settled.
pub async fn to_its_end<T: Send + 'static>(
    tasks: &Tasks,
    change: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let change = tasks.work("change", caught(change).in_current_span());
    match tokio::time::timeout(PATIENCE, change).await {
        Ok(ended) => ended.map_err(|ended| Error::Internal(Arc::new(ended)))?,
        Err(late) => Err(Error::OutcomeUnknown(Arc::new(late))),
    }
}
