//! One consistent cut of a collection, streamed.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, future::ready};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument;

use super::{
    DocumentRpc, LARGE_BODY, Selection, at_most, encoding,
    read::{bound_to, cursor},
};
use crate::{
    access::Caller,
    collection::Lease,
    documents::{Scan, Scanned, StoredDocument},
    error::{Error, Violations},
    listing::PageToken,
    pb,
    rpc::layer::answers::Room,
    share::Share,
    tasks::{Slice, caught},
};

/// A message is sent when it has this much.
const MESSAGE_BYTES: usize = 256 << 10;
/// Messages that wait for the client.
const QUEUE: usize = 2;
/// A resume token is sent after so many documents even if none matched.
const SILENT_DOCUMENTS: usize = 100_000;

type Messages = Pin<Box<dyn Stream<Item = Result<pb::StreamDocumentsResponse, Status>> + Send>>;
type Queue = mpsc::Sender<(pb::StreamDocumentsResponse, Share)>;

/// A stream under way.
struct Pump {
    rpc: DocumentRpc,
    lease: Arc<Lease>,
    scan: Scan,
    selection: Selection,
    encoding: pb::Encoding,
    bound: u64,
    room: Room,
    queue: Queue,
}

impl DocumentRpc {
    pub(super) async fn stream(
        &self,
        caller: &Caller,
        room: Room,
        request: pb::StreamDocumentsRequest,
    ) -> Result<Messages, Error> {
        let pb::StreamDocumentsRequest {
            collection,
            encoding: wanted,
            start_event_time,
            end_event_time,
            filter,
            resume_token,
        } = request;
        let mut bad = Violations::default();
        let bound = bound_to("StreamDocuments", wanted, start_event_time, end_event_time, &filter);
        let wanted = encoding(&mut bad, wanted);
        let selection = Selection::new(&mut bad, start_event_time, end_event_time, &filter);
        bad.finish()?;

        let lease = Arc::new(self.lease(caller, &collection).await?);
        let bound = bound.bytes(lease.engine().uid().as_bytes()).finish();
        let after = cursor(&resume_token, bound)?;
        let (offset, scan) =
            lease.unless_deleted(lease.engine().cut_scan(lease.tenant(), after.as_ref(), selection.span)).await?;
        let first = pb::StreamDocumentsResponse { documents: Vec::new(), resume_token, offset: Some(offset) };
        let (queue, messages) = mpsc::channel(QUEUE);
        // Beside the queue, which may be full: the end of the messages alone
        // would look like the end of the documents.
        let (end, ended) = oneshot::channel();
        let handed_on = room.clone();
        let pump = Pump { rpc: self.clone(), lease, scan, selection, encoding: wanted, bound, room, queue };
        let pumped = async move {
            // Without a receiver there is no client.
            let _ = end.send(caught(pump.run()).await);
        };
        self.tasks.work("stream", pumped.in_current_span());
        let first = futures::stream::once(ready(Ok(first)));
        // What still waits when the service stops is left out: the client resumes.
        let messages = ReceiverStream::new(messages).map(move |(message, share)| {
            handed_on.hand_on(share);
            Ok(message)
        });
        let messages = messages.take_until(self.stop.clone().cancelled_owned());
        let last = futures::stream::once(ended).filter_map(|ended| ready(error_of(ended).map(Err)));
        Ok(first.chain(messages).chain(last).boxed())
    }
}

/// The error that ended a stream, if one did; no word is one, too.
fn error_of(ended: Result<Result<(), Error>, oneshot::error::RecvError>) -> Option<Status> {
    let ended = ended.unwrap_or_else(|_| Err(Error::internal("a stream broke off")));
    ended.err().map(Status::from)
}

impl Pump {
    /// Gives the files back at the end, before a slow client hears of it.
    async fn run(mut self) -> Result<(), Error> {
        let (lease, stop, queue) = (Arc::clone(&self.lease), self.rpc.stop.clone(), self.queue.clone());
        tokio::select! {
            // The stop comes first: it closes the queue, too.
            biased;
            () = stop.cancelled() => Err(Error::ShuttingDown),
            () = queue.closed() => Ok(()),
            ended = lease.unless_deleted(self.pump()) => ended,
        }
    }

    async fn pump(&mut self) -> Result<(), Error> {
        let mut response = pb::StreamDocumentsResponse::default();
        let (mut bytes, mut silent) = (0, 0);
        let mut last = None;
        // Filters compute.
        let mut slice = Slice::begin();
        while let Some(scanned) = self.scan.next().await? {
            if let Scanned::Document(document) = &scanned
                && self.rpc.matches(&self.lease, &self.selection, document).await
            {
                if document.body().len() > LARGE_BODY {
                    if last.is_some() {
                        self.send(&mut response, last.take()).await?;
                    }
                    self.send_alone(document).await?;
                    (bytes, silent) = (0, 0);
                    continue;
                }
                let found = self.rpc.message(&self.lease, document, self.encoding).await?;
                let size = found.encoded_len();
                if bytes + size > MESSAGE_BYTES && !response.documents.is_empty() {
                    self.send(&mut response, last.take()).await?;
                    (bytes, silent) = (0, 0);
                }
                bytes += size;
                response.documents.push(found);
            }
            last = Some(scanned.into_key());
            silent += 1;
            if slice.is_over() {
                slice.give_way().await;
            }
            if silent >= SILENT_DOCUMENTS {
                self.send(&mut response, last.take()).await?;
                (bytes, silent) = (0, 0);
            }
        }
        if last.is_some() { self.send(&mut response, last).await } else { Ok(()) }
    }

    async fn send(&self, response: &mut pb::StreamDocumentsResponse, last: Option<bytes::Bytes>) -> Result<(), Error> {
        let full = std::mem::take(response);
        let room = self.room(full.encoded_len()).await?;
        self.send_in(full, last, room).await
    }

    /// A large document: there is room before it is read, for hundreds of streams may have come
    /// to one.
    async fn send_alone(&self, document: &StoredDocument) -> Result<(), Error> {
        let room = self.room(at_most(document, self.encoding)).await?;
        let found = self.rpc.message(&self.lease, document, self.encoding).await?;
        room.set(found.encoded_len());
        let response = pb::StreamDocumentsResponse { documents: vec![found], ..Default::default() };
        self.send_in(response, Some(document.key().clone()), room).await
    }

    async fn send_in(
        &self,
        mut full: pb::StreamDocumentsResponse,
        last: Option<bytes::Bytes>,
        room: Share,
    ) -> Result<(), Error> {
        let cursor = last.map(|key| key.to_vec()).unwrap_or_default();
        full.resume_token = PageToken { bound: self.bound, cursor }.encode();
        // Without a receiver there is no client.
        self.patiently(self.queue.send((full, room))).await.map(drop)
    }

    async fn room(&self, bytes: usize) -> Result<Share, Error> {
        self.patiently(self.room.wait(bytes)).await
    }

    /// Waits for the client, but not for ever.
    async fn patiently<T>(&self, wait: impl Future<Output = T>) -> Result<T, Error> {
        let patience = self.rpc.patience;
        tokio::time::timeout(patience, wait).await.map_err(|_| Error::StreamTooSlow(patience))
    }
}
