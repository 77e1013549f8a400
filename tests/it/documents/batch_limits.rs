//! How much one request may hold.

use prost::Message;
use stillframe::pb;
use tonic::Code;

use super::{MIB, body_of, invalid, refusal};
use crate::support::{TestServer, collection_name, delete, upsert};

fn request(writes: Vec<pb::Write>) -> pb::WriteDocumentsRequest {
    pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() }
}

/// A request of exactly so many bytes.
fn request_of(bytes: usize) -> pb::WriteDocumentsRequest {
    let mut request = request((0..9).map(|n| upsert(&n.to_string(), &body_of(MIB))).collect());
    let rest = bytes - request.encoded_len();
    // The envelope of one more write: its length depends on the body's only by varints of three bytes.
    let envelope = request_with(&request, 100_000).encoded_len() - request.encoded_len() - 100_000;
    request = request_with(&request, rest - envelope);
    assert_eq!(request.encoded_len(), bytes);
    request
}

fn request_with(request: &pb::WriteDocumentsRequest, body: usize) -> pb::WriteDocumentsRequest {
    let mut request = request.clone();
    request.writes.push(upsert("last", &body_of(body)));
    request
}

fn too_large() -> (Code, String, Vec<String>) {
    (Code::InvalidArgument, "BATCH_TOO_LARGE".to_owned(), Vec::new())
}

#[apply(on_each_storage!)]
async fn a_batch_has_up_to_20000_writes() {
    let mut server = TestServer::with_collection().await;
    let writes: Vec<_> = (0..20_000).map(|n| upsert(&format!("{n:05}"), "{}")).collect();
    let response = server.documents.write_documents(request(writes.clone())).await.unwrap().into_inner();
    assert!(response.results.iter().zip(0..).all(|(result, index)| result.index == index && result.error.is_none()));
    assert_eq!((response.results.len(), response.offset), (20_000, 20_000));

    let more = request([writes, vec![delete("00000")]].concat());
    assert_eq!(refusal(&server.documents.write_documents(more).await.unwrap_err()), too_large());
    assert_eq!(server.stats("c").await.document_count, 20_000, "nothing of it was applied");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_batch_has_up_to_10_mebibytes() {
    let mut server = TestServer::with_collection().await;
    let fits = server.documents.write_documents(request_of(10 * MIB)).await.unwrap().into_inner();
    assert_eq!(fits.results.len(), 10);
    let error = server.documents.write_documents(request_of(10 * MIB + 1)).await.unwrap_err();
    assert_eq!(refusal(&error), too_large());
    assert!(error.message().contains("10485761 bytes; at most 10485760"), "{error:?}");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_message_beyond_12_mebibytes_is_refused_with_details() {
    let mut server = TestServer::with_collection().await;
    let large = request((0..13).map(|n| upsert(&n.to_string(), &body_of(MIB))).collect());
    let error = server.documents.write_documents(large).await.unwrap_err();
    assert_eq!(refusal(&error), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned(), Vec::new()));
    assert_eq!(server.stats("c").await.offset, 0);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_empty_batch_is_refused() {
    let mut server = TestServer::with_collection().await;
    let error = server.documents.write_documents(request(Vec::new())).await.unwrap_err();
    assert_eq!(refusal(&error), invalid(&["writes"]));
    server.stop().await;
}
