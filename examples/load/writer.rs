//! Writes through `IngestDocuments`, with a bounded number of messages that are
//! not acknowledged yet.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{future::try_join_all, stream};
use stillframe::pb::{self, ingest_documents_request::ResultsMode};
use tokio::sync::Semaphore;

use crate::{
    Result, check,
    client::{Client, patiently, refuse_failures},
    documents::{Documents, Target},
};

/// The shape of the load.
#[derive(clap::Args, Clone, Copy)]
pub struct Flow {
    /// Documents in a message.
    #[arg(long, default_value_t = 1000)]
    pub batch: usize,
    /// Parallel streams.
    #[arg(long, default_value_t = 1)]
    pub streams: u64,
    /// Messages under way on a stream, not yet acknowledged.
    #[arg(long, default_value_t = 8)]
    pub in_flight: usize,
}

impl Default for Flow {
    fn default() -> Self {
        Self { batch: 1000, streams: 1, in_flight: 8 }
    }
}

#[derive(Clone, Copy)]
pub struct Written {
    pub documents: u64,
    /// Until the last one was acknowledged.
    pub elapsed: Duration,
}

/// Sends what `next` gives until it has no more. `acked` is called once for
/// each message, in order, when its writes are durable.
pub async fn send(
    client: &Client,
    collection: &str,
    in_flight: usize,
    next: impl FnMut() -> Option<Vec<pb::Write>> + Send + 'static,
    mut acked: impl FnMut(&pb::IngestDocumentsResponse) -> Result<()>,
) -> Result<()> {
    let window = Arc::new(Semaphore::new(in_flight));
    let sent = Arc::new(AtomicU64::new(0));
    let state = (window.clone(), sent.clone(), collection.to_owned(), next);
    let requests = stream::unfold(state, |(window, sent, collection, mut next)| async move {
        window.acquire().await.ok()?.forget();
        let writes = next()?;
        let first = sent.fetch_add(1, Ordering::Relaxed) == 0;
        let request = pb::IngestDocumentsRequest {
            collection: if first { collection.clone() } else { String::new() },
            writes,
            results_mode: ResultsMode::Errors.into(),
            ..Default::default()
        };
        Some((request, (window, sent, collection, next)))
    });

    let mut replies = patiently("IngestDocuments", client.documents().ingest_documents(requests)).await?.into_inner();
    let mut received = 0;
    while let Some(reply) = patiently("IngestDocuments", replies.message()).await? {
        refuse_failures(&reply.results)?;
        acked(&reply)?;
        received += 1;
        window.add_permits(1);
    }
    let sent = sent.load(Ordering::Relaxed);
    check(received == sent, || format!("{sent} messages sent, {received} acknowledged, and the stream ended OK"))
}

/// Upserts `targets` through one stream.
pub async fn upsert(
    client: &Client,
    collection: &str,
    documents: &Documents,
    flow: Flow,
    mut targets: impl Iterator<Item = Target> + Send + 'static,
) -> Result<Written> {
    let total = Arc::new(AtomicU64::new(0));
    let (documents, counted, begun) = (documents.clone(), total.clone(), Instant::now());
    let next = move || {
        let writes: Vec<_> = targets.by_ref().take(flow.batch).map(|target| documents.upsert(target)).collect();
        counted.fetch_add(writes.len() as u64, Ordering::Relaxed);
        (!writes.is_empty()).then_some(writes)
    };
    send(client, collection, flow.in_flight, next, |_| Ok(())).await?;
    Ok(Written { documents: total.load(Ordering::Relaxed), elapsed: begun.elapsed() })
}

/// Upserts through as many streams as `flow` says; `targets` gives each its
/// part. Parts must not share a document, or it is open which write is last.
pub async fn upsert_parts<I>(
    client: &Client,
    collection: &str,
    documents: &Documents,
    flow: Flow,
    targets: impl Fn(u64) -> I,
) -> Result<Written>
where
    I: Iterator<Item = Target> + Send + 'static,
{
    let begun = Instant::now();
    let parts = (0..flow.streams.max(1)).map(|part| upsert(client, collection, documents, flow, targets(part)));
    let written = try_join_all(parts).await?;
    Ok(Written { documents: written.iter().map(|part| part.documents).sum(), elapsed: begun.elapsed() })
}

/// The first version of documents 0 to `count`.
pub async fn fill(client: &Client, collection: &str, documents: &Documents, flow: Flow, count: u64) -> Result<Written> {
    let streams = flow.streams.max(1);
    let part = |part| (part..count).step_by(streams as usize).map(|index| (index, 1));
    upsert_parts(client, collection, documents, flow, part).await
}
