//! One consistent cut of a collection, streamed.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    DocumentRpc, Selection, Turn, encoding, message,
    read::{bound_to, cursor},
};
use crate::{
    collection::Lease,
    documents::Scan,
    error::{Error, Violations},
    listing::PageToken,
    pb,
};

/// A message is sent when it has this much.
const MESSAGE_BYTES: usize = 256 << 10;
/// Messages that wait for the client.
const QUEUE: usize = 2;
/// A resume token is sent after so many documents even if none matched.
const SILENT_DOCUMENTS: usize = 100_000;

type Message = Result<pb::StreamDocumentsResponse, Status>;
type Messages = Pin<Box<dyn Stream<Item = Message> + Send>>;

/// What the pump sends. A stop ends it with an error even while the queue is
/// full: a stream that merely stopped would look complete.
fn until_stopped(messages: mpsc::Receiver<Message>, stop: CancellationToken) -> impl Stream<Item = Message> {
    futures::stream::unfold(Some((messages, stop)), async |open| {
        let (mut messages, stop) = open?;
        tokio::select! {
            biased;
            () = stop.cancelled() => Some((Err(Error::ShuttingDown.into()), None)),
            next = messages.recv() => next.map(|message| (message, Some((messages, stop)))),
        }
    })
}

/// A stream under way.
struct Pump {
    rpc: DocumentRpc,
    lease: Arc<Lease>,
    scan: Scan,
    selection: Selection,
    encoding: pb::Encoding,
    bound: u64,
    queue: mpsc::Sender<Message>,
}

impl DocumentRpc {
    pub(super) async fn stream(&self, request: pb::StreamDocumentsRequest) -> Result<Messages, Error> {
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

        let lease = Arc::new(self.lease(&collection).await?);
        let bound = bound.bytes(lease.uid().as_bytes()).finish();
        let after = cursor(&resume_token, bound)?;
        let (totals, scan) = lease.unless_deleted(lease.cut_scan(after.as_ref())).await?;
        let first = pb::StreamDocumentsResponse { documents: Vec::new(), resume_token, offset: Some(totals.offset) };
        let (queue, messages) = mpsc::channel(QUEUE);
        let pump = Pump { rpc: self.clone(), lease, scan, selection, encoding: wanted, bound, queue };
        self.tasks.work(pump.run());
        let first = futures::stream::once(std::future::ready(Ok(first)));
        Ok(first.chain(until_stopped(messages, self.stop.clone())).boxed())
    }
}

impl Pump {
    async fn run(mut self) {
        let (lease, stop, queue) = (Arc::clone(&self.lease), self.rpc.stop.clone(), self.queue.clone());
        let ended = tokio::select! {
            ended = lease.unless_deleted(self.pump()) => ended,
            // The other end says goodbye.
            () = stop.cancelled() => return,
            () = queue.closed() => return,
        };
        // The files are given back before a slow client hears of it.
        drop(self);
        drop(lease);
        if let Err(error) = ended {
            tokio::select! {
                _ = queue.send(Err(error.into())) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn pump(&mut self) -> Result<(), Error> {
        let mut response = pb::StreamDocumentsResponse::default();
        let (mut bytes, mut silent) = (0, 0);
        let mut last = None;
        let mut turn = Turn::begin();
        while let Some(document) = self.scan.next().await? {
            if self.selection.matches(&document) {
                let found = message(&document, self.encoding)?;
                let size = found.encoded_len();
                if bytes + size > MESSAGE_BYTES && !response.documents.is_empty() {
                    self.send(&mut response, last.take()).await?;
                    (bytes, silent) = (0, 0);
                }
                bytes += size;
                response.documents.push(found);
            }
            last = Some(document.key().clone());
            silent += 1;
            turn.give_way().await;
            if silent >= SILENT_DOCUMENTS {
                self.send(&mut response, last.take()).await?;
                (bytes, silent) = (0, 0);
            }
        }
        if last.is_some() { self.send(&mut response, last).await } else { Ok(()) }
    }

    async fn send(&self, response: &mut pb::StreamDocumentsResponse, last: Option<bytes::Bytes>) -> Result<(), Error> {
        let cursor = last.map(|key| key.to_vec()).unwrap_or_default();
        response.resume_token = PageToken { bound: self.bound, cursor }.encode();
        let full = std::mem::take(response);
        match tokio::time::timeout(self.rpc.patience, self.queue.send(Ok(full))).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::StreamTooSlow(self.rpc.patience)),
        }
    }
}
