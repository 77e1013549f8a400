//! `DocumentService`.

#[cfg(any(test, feature = "fuzz"))]
pub(in crate::rpc) mod fuzzed;
mod ingest;
mod read;
mod stream;
mod write;

/// What a request may ask for.
pub mod limits {
    pub use super::{
        read::{MAX_IDS, MAX_PAGE},
        write::{MAX_BATCH_BYTES, MAX_WRITES},
    };
}

use std::{pin::Pin, time::Duration};

use futures::Stream;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{collection::name_of, convert};
use crate::{
    access::Caller,
    collection::{Collections, Lease},
    documents::{Span, StoredDocument, Write},
    error::{Error, Violations},
    json::{
        fields::{Fields, FieldsError},
        filter::Filter,
    },
    pb,
    rpc::{
        MAX_RESPONSE_BYTES,
        layer::{admission::Gate, answers::Room},
    },
    share::Turns,
    tasks::{Tasks, in_place},
};

/// The service.
#[derive(Clone)]
pub struct DocumentRpc {
    /// Lets callers through.
    pub gate: Gate,
    /// The domain.
    pub collections: Collections,
    /// Runs streams.
    pub tasks: Tasks,
    /// Cancelled when the service stops.
    pub stop: CancellationToken,
    /// How long a stream waits for a client that does not read.
    pub patience: Duration,
    /// Turns to filter large documents and to make them into fields, which takes a CPU for tens
    /// of milliseconds.
    pub turns: Turns,
}

/// A body of more than this is large: it has a message of a stream for itself, counts before
/// it is read, and is filtered and made into fields when it is its turn.
const LARGE_BODY: usize = 64 << 10;
/// How many times larger than its text a document may be as fields: `0,` is eleven bytes.
const FIELDS_OF_TEXT: usize = 6;

#[tonic::async_trait]
impl pb::document_service_server::DocumentService for DocumentRpc {
    type IngestDocumentsStream = Pin<Box<dyn Stream<Item = Result<pb::IngestDocumentsResponse, Status>> + Send>>;
    type StreamDocumentsStream = Pin<Box<dyn Stream<Item = Result<pb::StreamDocumentsResponse, Status>> + Send>>;

    async fn write_documents(
        &self,
        request: Request<pb::WriteDocumentsRequest>,
    ) -> Result<Response<pb::WriteDocumentsResponse>, Status> {
        let room = room_of(&request)?;
        let (caller, request, bytes) = self.gate.admit_sized(request)?;
        Ok(Response::new(self.write(&caller, &room, request, bytes).await?))
    }

    async fn ingest_documents(
        &self,
        request: Request<Streaming<pb::IngestDocumentsRequest>>,
    ) -> Result<Response<Self::IngestDocumentsStream>, Status> {
        let room = room_of(&request)?;
        let (caller, memory, messages) = Gate::admit_stream(request)?;
        Ok(Response::new(self.ingest(caller, memory, room, messages)))
    }

    async fn get_document(&self, request: Request<pb::GetDocumentRequest>) -> Result<Response<pb::Document>, Status> {
        let room = room_of(&request)?;
        let (caller, request) = self.gate.admit(request)?;
        Ok(Response::new(self.get(&caller, &room, request).await?))
    }

    async fn batch_get_documents(
        &self,
        request: Request<pb::BatchGetDocumentsRequest>,
    ) -> Result<Response<pb::BatchGetDocumentsResponse>, Status> {
        let room = room_of(&request)?;
        let (caller, request) = self.gate.admit(request)?;
        Ok(Response::new(self.batch_get(&caller, &room, request).await?))
    }

    async fn list_documents(
        &self,
        request: Request<pb::ListDocumentsRequest>,
    ) -> Result<Response<pb::ListDocumentsResponse>, Status> {
        let room = room_of(&request)?;
        let (caller, request) = self.gate.admit(request)?;
        Ok(Response::new(self.list(&caller, &room, request).await?))
    }

    async fn stream_documents(
        &self,
        request: Request<pb::StreamDocumentsRequest>,
    ) -> Result<Response<Self::StreamDocumentsStream>, Status> {
        let room = room_of(&request)?;
        let (caller, request) = self.gate.admit(request)?;
        Ok(Response::new(self.stream(&caller, room, request).await?))
    }
}

impl DocumentRpc {
    /// Opens the collection that a request names.
    async fn lease(&self, caller: &Caller, collection: &str) -> Result<Lease, Error> {
        Ok(self.collections.lease(&name_of("collection", collection)?).await?.of(caller))
    }

    /// A stored document as the caller wants to see it.
    async fn message(
        &self,
        lease: &Lease,
        document: &StoredDocument,
        encoding: pb::Encoding,
    ) -> Result<pb::Document, Error> {
        let computes = encoding == pb::Encoding::Fields;
        self.in_turn(lease, document, computes, || message(document, encoding)).await
    }

    /// Whether a caller wants a document.
    async fn matches(&self, lease: &Lease, selection: &Selection, document: &StoredDocument) -> bool {
        self.in_turn(lease, document, selection.filter.is_some(), || selection.matches(document)).await
    }

    /// Does something with a document; what computes, and so for long if that is large, when
    /// it has a turn, off the threads that answer others.
    async fn in_turn<T>(
        &self,
        lease: &Lease,
        document: &StoredDocument,
        computes: bool,
        work: impl FnOnce() -> T,
    ) -> T {
        if computes && document.body().len() > LARGE_BODY {
            let _turn = self.turns.take(lease.tenant()).await;
            return in_place(work);
        }
        work()
    }

    /// Refuses writes that make a workspace larger that has as much as it may.
    fn admit_writes(&self, lease: &Lease, writes: &[Write]) -> Result<(), Error> {
        if writes.iter().any(Write::grows) { self.collections.admit_into(lease.tenant().workspace()) } else { Ok(()) }
    }

    /// The same, if it still is the collection of that uid.
    async fn lease_of(&self, caller: &Caller, collection: &str, uid: &str) -> Result<Lease, Error> {
        let name = name_of("collection", collection)?;
        let uid = convert::uid_of(uid).map_err(|why| Error::invalid("collection_uid", why))?;
        // Asked of what was opened: the name may change hands at any time.
        let lease = self.collections.lease(&name).await?.of(caller);
        match uid {
            Some(uid) if uid != lease.engine().uid() => {
                Err(Error::CollectionChanged { name: name.to_string(), uid: lease.engine().uid().to_string() })
            }
            _ => Ok(lease),
        }
    }
}

/// Put there by the layer that counts what is answered.
fn room_of<M>(request: &Request<M>) -> Result<Room, Error> {
    request.extensions().get().cloned().ok_or_else(|| Error::internal("a request whose answer is not counted"))
}

/// How bodies go out.
fn encoding(bad: &mut Violations, sent: i32) -> pb::Encoding {
    match pb::Encoding::try_from(sent) {
        Ok(pb::Encoding::Fields) => pb::Encoding::Fields,
        Ok(pb::Encoding::Json | pb::Encoding::Unspecified) => pb::Encoding::Json,
        Err(_) => {
            bad.add("encoding", "must be ENCODING_FIELDS or ENCODING_JSON");
            pb::Encoding::Json
        }
    }
}

/// How many bytes a document may be as a message.
fn at_most(document: &StoredDocument, encoding: pb::Encoding) -> usize {
    let body = document.body().len();
    match encoding {
        pb::Encoding::Fields => body.saturating_mul(FIELDS_OF_TEXT).min(MAX_RESPONSE_BYTES),
        pb::Encoding::Json | pb::Encoding::Unspecified => body,
    }
}

fn message(document: &StoredDocument, encoding: pb::Encoding) -> Result<pb::Document, Error> {
    let body = document.body();
    let body = match encoding {
        pb::Encoding::Fields => {
            let refused = |why| match why {
                FieldsError::Unreadable(why) => {
                    Error::DataLoss(format!("the body of {:?} cannot be read: {why}", document.id()))
                }
                FieldsError::TooLarge(size) => Error::DocumentTooLarge { size, limit: MAX_RESPONSE_BYTES },
            };
            pb::document::Body::Fields(Fields::of_json(&body, MAX_RESPONSE_BYTES).map_err(refused)?)
        }
        pb::Encoding::Json | pb::Encoding::Unspecified => pb::document::Body::Json(body),
    };
    let message = pb::Document {
        id: document.id().to_owned(),
        event_time: Some(convert::timestamp(document.event_time())),
        body: Some(body),
        etag: crate::digest::Etag(document.digest()).to_string(),
    };
    // Only a Struct can be so much larger than its JSON.
    match message.encoded_len() {
        size if size > MAX_RESPONSE_BYTES => Err(Error::DocumentTooLarge { size, limit: MAX_RESPONSE_BYTES }),
        _ => Ok(message),
    }
}

/// Which documents a caller wants.
struct Selection {
    span: Span,
    filter: Option<Filter>,
}

impl Selection {
    fn new(
        bad: &mut Violations,
        from: Option<prost_types::Timestamp>,
        until: Option<prost_types::Timestamp>,
        filter: &str,
    ) -> Self {
        let from = from.and_then(|time| bad.check("start_event_time", convert::micros_of(&time)));
        let until = until.and_then(|time| bad.check("end_event_time", convert::micros_of(&time)));
        let filter = if filter.is_empty() { None } else { bad.check("filter", Filter::parse(filter)) };
        Self { span: Span { from, until }, filter }
    }

    fn matches(&self, document: &StoredDocument) -> bool {
        let time = document.event_time();
        self.span.contains(time)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(document.id(), time, &document.body()))
    }
}
