//! Batches on their way into a collection.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    databases::store::LARGEST_BATCH_BYTES,
    engine::Engine,
    mark::Marking,
    write::{BatchResult, Write},
    writing::writer::{Command, Pending},
};
use crate::{error::Error, share::Tenant};

/// A batch on its way to the disk.
#[derive(Debug)]
pub struct Submitted(oneshot::Receiver<Result<BatchResult, Error>>);

impl Submitted {
    /// Returns when the batch is durable (**D1**).
    pub async fn acknowledged(self) -> Result<BatchResult, Error> {
        // Without an answer it may have been written, or not.
        self.0.await.map_err(|gone| Error::OutcomeUnknown(Arc::new(gone)))?
    }
}

impl Engine {
    /// Applies a batch of writes and returns when they are durable (**D1**). If it is dropped
    /// before the writer has begun with them, nothing is applied.
    pub async fn write(&self, tenant: &Tenant, writes: Vec<Write>) -> Result<BatchResult, Error> {
        self.enqueue(tenant, writes, None, None).await?.acknowledged().await
    }

    /// Queues a batch behind those submitted before it, unless the disk is full
    /// and it does more than delete. What is under way has a budget that tenants share: it
    /// waits for its turn there. When `given_up` is cancelled, those of the same token that
    /// the writer has not begun with are not applied: none behind one that is not.
    pub async fn submit(
        &self,
        tenant: &Tenant,
        writes: Vec<Write>,
        given_up: &CancellationToken,
    ) -> Result<Submitted, Error> {
        self.enqueue(tenant, writes, None, Some(given_up.clone())).await
    }

    pub(super) async fn enqueue(
        &self,
        tenant: &Tenant,
        writes: Vec<Write>,
        marking: Option<Box<dyn Marking>>,
        given_up: Option<CancellationToken>,
    ) -> Result<Submitted, Error> {
        if writes.iter().any(Write::grows) {
            self.store.space.admit()?;
        }
        let bytes: usize = writes.iter().map(Write::cost).sum();
        // A batch larger than what there is ever for one would wait until it is alone.
        let permit = self.store.in_flight.wait(tenant, bytes.clamp(1, LARGEST_BATCH_BYTES)).await;
        let (reply, answer) = oneshot::channel();
        self.send(Command::Write { batch: Pending { writes, marking, reply, permit, given_up }, bytes }).await?;
        Ok(Submitted(answer))
    }
}
