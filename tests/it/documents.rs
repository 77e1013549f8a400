//! `DocumentService`, one idea a file.

mod batch_get;
mod batch_limits;
mod bytes_kept;
mod collection_named;
mod compression;
mod event_times;
mod filters;
mod get;
mod if_etag;
pub mod ingest;
mod ingest_cut_off;
mod ingest_refused;
pub mod list;
mod list_tokens;
mod model;
mod patch;
mod patch_refused;
mod refused_bodies;
mod refused_ids;
mod refused_writes;
mod selection;
pub mod stream;
mod stream_ends;
mod structs;
mod transport;
mod write;

use prost::Message;
use stillframe::pb::{self, patch_operation::Op, write_result};
use tonic::{Code, Status};

use crate::support::{TestServer, bad_fields, collection_name, reason, upsert};

pub const MIB: usize = 1 << 20;

/// An upsert of any bytes.
pub fn upsert_bytes(id: &str, json: impl Into<Vec<u8>>) -> pb::Write {
    upsert_of(pb::Document {
        id: id.to_owned(),
        body: Some(pb::document::Body::Json(json.into().into())),
        ..Default::default()
    })
}

pub fn upsert_of(document: pb::Document) -> pb::Write {
    pb::Write { operation: Some(pb::write::Operation::Upsert(document)), if_etag: None }
}

/// A document with a Struct.
pub fn fields(id: &str, fields: impl IntoIterator<Item = (&'static str, prost_types::value::Kind)>) -> pb::Document {
    let fields = fields.into_iter().map(|(key, kind)| (key.to_owned(), prost_types::Value { kind: Some(kind) }));
    let fields = prost_types::Struct { fields: fields.collect() };
    pb::Document { id: id.to_owned(), body: Some(pb::document::Body::Fields(fields.into())), ..Default::default() }
}

pub fn patch(id: &str, operations: Vec<pb::PatchOperation>) -> pb::Write {
    let patch = pb::Patch { id: id.to_owned(), operations };
    pb::Write { operation: Some(pb::write::Operation::Patch(patch)), if_etag: None }
}

/// An operation with a JSON operand.
pub fn op(op: Op, path: &str, json: &str) -> pb::PatchOperation {
    let operand = pb::patch_operation::Operand::Json(json.to_owned().into_bytes().into());
    pb::PatchOperation { op: op.into(), path: Some(path.to_owned()), operand: Some(operand), ..Default::default() }
}

/// An operation without an operand.
pub fn op_from(op: Op, source_path: &str, path: &str) -> pb::PatchOperation {
    let (source_path, path) = (Some(source_path.to_owned()), Some(path.to_owned()));
    pb::PatchOperation { op: op.into(), source_path, path, ..Default::default() }
}

pub fn if_etag(etag: &str, write: pb::Write) -> pb::Write {
    pb::Write { if_etag: Some(etag.to_owned()), ..write }
}

/// What went wrong with a write, as if it had been the call's error.
pub fn error_of(result: &pb::WriteResult) -> Status {
    assert_eq!(result.status(), write_result::Status::Unspecified);
    let error = result.error.clone().unwrap_or_else(|| panic!("{result:?} has no error"));
    Status::with_details(Code::from_i32(error.code), error.message.clone(), error.encode_to_vec().into())
}

/// Code, reason and fields of an error.
pub fn refusal(status: &Status) -> (Code, String, Vec<String>) {
    (status.code(), reason(status), bad_fields(status))
}

pub fn invalid(fields: &[&str]) -> (Code, String, Vec<String>) {
    (Code::InvalidArgument, "INVALID_FIELD".to_owned(), fields.iter().map(|&field| field.to_owned()).collect())
}

pub fn seconds(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// A body of exactly so many bytes.
pub fn body_of(bytes: usize) -> String {
    format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8))
}

impl TestServer {
    /// A server with the empty collection `c`.
    pub async fn with_collection() -> Self {
        let mut server = Self::start().await;
        server.given_collection("c").await;
        server
    }

    /// One write to `c`.
    pub async fn write_one(&mut self, write: pb::Write) -> pb::WriteResult {
        self.write("c", vec![write]).await.results.remove(0)
    }

    /// Writes to `c`, and what became of each.
    pub async fn statuses(&mut self, writes: Vec<pb::Write>) -> Vec<write_result::Status> {
        self.write("c", writes).await.results.iter().map(pb::WriteResult::status).collect()
    }

    /// One document of `c`, as JSON.
    pub async fn read(&mut self, id: &str) -> Result<pb::Document, Status> {
        self.read_as(id, pb::Encoding::Json).await
    }

    pub async fn read_as(&mut self, id: &str, encoding: pb::Encoding) -> Result<pb::Document, Status> {
        let request =
            pb::GetDocumentRequest { collection: collection_name("c"), id: id.to_owned(), encoding: encoding.into() };
        Ok(self.documents.get_document(request).await?.into_inner())
    }

    /// Sends each bad write between two good ones, and checks that it alone
    /// fails, in its place, with this code, reason and fields.
    pub async fn check_refused(&mut self, cases: Vec<(pb::Write, Code, &str, &[&str])>) {
        let (mut writes, mut expected) = (vec![upsert("good", "{}")], Vec::new());
        for (write, code, reason, fields) in cases {
            writes.extend([write, upsert("good", "{}")]);
            expected.push((code, reason.to_owned(), fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>()));
        }
        let response = self.write("c", writes).await;
        assert!(response.results.iter().zip(0..).all(|(result, index)| result.index == index), "in order");
        for (case, pair) in response.results[1..].chunks(2).enumerate() {
            let error = error_of(&pair[0]);
            assert_eq!(refusal(&error), expected[case], "case {case}: {error:?}");
            assert!(error.message().len() < 1000, "{error:?}");
            assert_eq!(pair[1].status(), write_result::Status::Replaced, "the good one behind case {case}");
        }
        let stats = self.stats("c").await;
        assert_eq!((stats.document_count, stats.offset), (1, response.offset), "only the good one is there");
    }

    pub async fn remove_collection(&mut self, id: &str) {
        let request = pb::DeleteCollectionRequest { name: collection_name(id), ..Default::default() };
        self.collections.delete_collection(request).await.unwrap();
    }

    /// Fills `c` with documents of 64 KiB: more than the transport buffers.
    pub async fn given_bulk(&mut self, count: usize) {
        let writes: Vec<_> = (0..count).map(|n| upsert(&format!("{n:04}"), &body_of(64 << 10))).collect();
        for batch in writes.chunks(100) {
            self.write("c", batch.to_vec()).await;
        }
    }
}
