//! Streaming writes: a bounded window is read ahead, and each message is
//! answered in order, when it is durable.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::Instrument;

use super::{
    DocumentRpc,
    write::{check_batch, convert, results_bytes, results_of},
};
use crate::{
    access::Caller,
    collection::Lease,
    documents::{BatchResult, Submitted, Write},
    error::Error,
    pb::{self, ingest_documents_request::ResultsMode},
    rpc::{
        layer::{
            answers::Room,
            request_memory::{LARGEST_MESSAGE, Memory, OffWorkers},
        },
        status::of_transport,
    },
    share::Share,
    tasks::caught,
};

/// Messages that are read ahead of their acknowledgement.
const WINDOW: usize = 16;

/// How long the end of a stream waits for a client that does not read.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

/// What the reading side has for the answering side.
type Next = Result<(Submitted, Share, Arc<Lease>), Status>;

/// Where it goes.
struct Answers {
    queue: mpsc::Sender<Next>,
    /// Cancelled when nobody takes them any more.
    given_up: CancellationToken,
}

impl DocumentRpc {
    pub(super) fn ingest(
        &self,
        caller: Caller,
        memory: Arc<Memory>,
        room: Room,
        messages: Streaming<pb::IngestDocumentsRequest>,
    ) -> Pin<Box<dyn Stream<Item = Result<pb::IngestDocumentsResponse, Status>> + Send>> {
        let (queue, submitted) = mpsc::channel(WINDOW);
        let (mode, agreed) = tokio::sync::oneshot::channel();
        let rpc = self.clone();
        // What has not begun when nobody takes the answers any more is not applied.
        let given_up = CancellationToken::new();
        let answered = given_up.clone().drop_guard();
        let (memory_of_it, room_of_it) = (Arc::clone(&memory), room.clone());
        let to = Answers { queue, given_up };
        let reading = async move { rpc.read_messages(&caller, &memory_of_it, &room_of_it, messages, mode, to).await };
        let reading = OffWorkers::new(memory, reading);
        self.tasks.work("ingest", reading.in_current_span());
        let answers = async move {
            let errors_only = agreed.await.unwrap_or(false);
            // An error ends the stream, behind the last acknowledgement.
            ReceiverStream::new(submitted).then(move |next| answer(next, errors_only, room.clone()))
        };
        let answers = futures::stream::once(answers).flatten();
        answers
            .map(move |answer| {
                let _held = &answered;
                answer
            })
            .boxed()
    }

    async fn read_messages(
        &self,
        caller: &Caller,
        memory: &Memory,
        room: &Room,
        mut messages: Streaming<pb::IngestDocumentsRequest>,
        mode: tokio::sync::oneshot::Sender<bool>,
        to: Answers,
    ) {
        let read = self.read_all(caller, memory, room, &mut messages, mode, &to);
        let ended = tokio::select! {
            // The end of the messages alone would look like the end of the acknowledgements.
            ended = caught(read) => ended,
            () = self.stop.cancelled() => Err(Error::ShuttingDown.into()),
            // Answers may wait for a client that does not read; this does not.
            ended = self.gate.keys.clone().ended(caller.clone()) => Err(ended.into()),
            // The client is gone, and with it whoever wants answers.
            () = to.queue.closed() => return,
        };
        if let Err(status) = ended {
            // A client that does not read must not hold up a stop.
            let _ = tokio::time::timeout(GOODBYE, to.queue.send(Err(status))).await;
        }
    }

    async fn read_all(
        &self,
        caller: &Caller,
        memory: &Memory,
        room: &Room,
        messages: &mut Streaming<pb::IngestDocumentsRequest>,
        mode: tokio::sync::oneshot::Sender<bool>,
        to: &Answers,
    ) -> Result<(), Status> {
        let Some(first) = messages.message().await.map_err(of_transport)? else { return Ok(()) };
        // The others name the same collection, or none.
        self.gate.check(caller, &first)?;
        let errors_only = match ResultsMode::try_from(first.results_mode) {
            Ok(ResultsMode::Errors) => true,
            Ok(ResultsMode::All | ResultsMode::Unspecified) => false,
            Err(_) => return Err(Error::invalid("results_mode", "must be ALL or ERRORS").into()),
        };
        let (collection, uid) = (first.collection.clone(), first.collection_uid.clone());
        let mut next = Some(writes_of(first, &collection, memory)?);
        let lease = Arc::new(self.lease_of(caller, &collection, &uid).await?);
        let _ = mode.send(errors_only);
        while let Some(writes) = next {
            self.admit_writes(&lease, &writes)?;
            // Without room for what is to be answered nothing more is read: the client waits.
            let share = room.wait(results_bytes(&writes)).await;
            let submitted = lease.unless_deleted(lease.engine().submit(lease.tenant(), writes, &to.given_up)).await?;
            let sent = to.queue.send(Ok((submitted, share, Arc::clone(&lease))));
            match tokio::time::timeout(self.patience, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(_gone)) => return Ok(()),
                Err(_) => return Err(Error::StreamTooSlow(self.patience).into()),
            }
            let message = lease.unless_deleted(async { Ok(messages.message().await) }).await?;
            next = message.map_err(of_transport)?.map(|more| writes_of(more, &collection, memory)).transpose()?;
        }
        Ok(())
    }
}

/// The writes of a message to the stream's collection. Made at once: as a message,
/// bodies may take many times their bytes.
fn writes_of(message: pb::IngestDocumentsRequest, collection: &str, memory: &Memory) -> Result<Vec<Write>, Error> {
    let bytes = message.encoded_len();
    check_batch(message.writes.len(), bytes)?;
    if !message.collection.is_empty() && message.collection != collection {
        return Err(Error::invalid("collection", "cannot change within a stream"));
    }
    let writes: Vec<Write> = message.writes.into_iter().map(convert).collect();
    // A write that says nothing has two bytes in the message, and hundreds when it is refused.
    let cost: usize = writes.iter().map(Write::cost).sum();
    memory.raise(bytes.max(cost.min(LARGEST_MESSAGE)))?;
    Ok(writes)
}

async fn answer(next: Next, errors_only: bool, room: Room) -> Result<pb::IngestDocumentsResponse, Status> {
    let (submitted, share, lease) = next?;
    let BatchResult { results, offset, .. } = lease.unless_deleted(submitted.acknowledged()).await?;
    room.hand_on(share);
    Ok(pb::IngestDocumentsResponse { results: results_of(results, errors_only).await, offset })
}
