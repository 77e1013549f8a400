//! Makes what the writer has applied durable, and answers.

use std::{sync::Arc, time::Duration};

use slatedb::{
    Db, WriteHandle,
    config::{FlushOptions, FlushType},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    documents::{
        totals::{Dropped, Totals},
        truncation::floor::Floor,
        write::BatchResult,
    },
    error::{Cause, Error},
    share::Share,
};

/// A group on its way to the disk.
pub struct Flight {
    pub handle: Option<WriteHandle>,
    pub totals: Totals,
    pub replies: Vec<Reply>,
    /// Who waits for intervals to be dropped.
    pub dropped: Option<(oneshot::Sender<Result<Dropped, Error>>, Dropped)>,
}

/// An answer that waits for the group to be durable.
pub struct Reply {
    pub to: oneshot::Sender<Result<BatchResult, Error>>,
    pub result: BatchResult,
    pub _permit: Share,
}

/// Makes groups durable, as many at once as there are, and answers in order.
pub struct Flusher {
    pub db: Db,
    pub publish: watch::Sender<Totals>,
    pub floor: Arc<Floor>,
    pub failed: CancellationToken,
    /// The least time between two commits.
    pub gap: Duration,
    /// How long a commit may take: SlateDB retries without end, and a caller must not
    /// wait so long.
    pub patience: Duration,
}

impl Flusher {
    pub async fn run(self, mut landing: mpsc::Receiver<Flight>) {
        let mut next_commit = Instant::now();
        while let Some(first) = landing.recv().await {
            let mut flights = vec![first];
            if !self.gap.is_zero() {
                // What lands meanwhile shares the commit.
                tokio::time::sleep_until(next_commit).await;
                next_commit = Instant::now() + self.gap;
            }
            while let Ok(next) = landing.try_recv() {
                flights.push(next);
            }
            // What stands on a group that failed has failed, too (D3).
            if self.failed.is_cancelled() {
                let cause: Cause = Arc::new(std::io::Error::other("an earlier write failed"));
                self.answer(flights, &Err(cause));
                continue;
            }
            let outcome = in_time(self.patience, make_durable(&self.db, &flights)).await;
            if let Err(cause) = &outcome {
                tracing::error!(error = %cause, "a flush failed; the collection is opened again");
                self.failed.cancel();
            }
            self.answer(flights, &outcome);
        }
    }

    fn answer(&self, flights: Vec<Flight>, outcome: &Result<(), Cause>) {
        for flight in flights {
            if outcome.is_ok() {
                self.floor.raise(flight.totals.floor);
                self.publish.send_replace(flight.totals);
            }
            for reply in flight.replies {
                let answer = outcome.clone().map(|()| reply.result).map_err(Error::OutcomeUnknown);
                // A client that is gone does not need its answer.
                let _ = reply.to.send(answer);
            }
            if let Some((to, dropped)) = flight.dropped {
                let _ = to.send(outcome.clone().map(|()| dropped).map_err(Error::OutcomeUnknown));
            }
        }
    }
}

/// Storage that is stuck is storage that failed.
pub async fn in_time<T>(patience: Duration, work: impl Future<Output = Result<T, slatedb::Error>>) -> Result<T, Cause> {
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Arc::new(error)),
        Err(late) => Err(Arc::new(late)),
    }
}

async fn make_durable(db: &Db, flights: &[Flight]) -> Result<(), slatedb::Error> {
    // Durability is in order: the last one stands for all.
    let Some(handle) = flights.iter().rev().find_map(|flight| flight.handle.as_ref()) else { return Ok(()) };
    db.flush_with_options(FlushOptions { flush_type: FlushType::Wal }).await?;
    handle.await_durable().await
}
