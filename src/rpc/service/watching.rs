//! Streams of values that go on for as long as the service does.

use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::error::Error;

/// Ends a watch with an error when the service stops: without that one idle
/// client could hold up the stop, and would take the end for the last value.
pub fn until_stopped<T: Send + 'static>(
    values: impl Stream<Item = Result<T, Status>> + Send + 'static,
    stop: CancellationToken,
) -> impl Stream<Item = Result<T, Status>> + Send {
    let stopped = stop.clone();
    let goodbye = stream::once(async move { stopped.is_cancelled() })
        .filter_map(|stopped| std::future::ready(stopped.then(|| Err(Error::ShuttingDown.into()))));
    values.take_until(stop.cancelled_owned()).chain(goodbye)
}
