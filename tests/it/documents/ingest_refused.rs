//! Messages that end an ingest, behind the answers to those before.

use http::uri::PathAndQuery;
use stillframe::pb;
use tonic::{Code, Request, Status, client::Grpc};
use tonic_prost::ProstCodec;

use super::{
    MIB, body_of,
    ingest::{Ingest, first, next},
    invalid, refusal,
};
use crate::support::{TestServer, collection_name, delete, upsert};

/// How an ingest ends that begins like this.
async fn begun_with(server: &TestServer, message: pb::IngestDocumentsRequest) -> Status {
    let ingest = Ingest::open(server).await;
    ingest.send(message).await;
    ingest.finish().await.unwrap_err()
}

/// How an ingest ends whose third message is this; the two before are answered.
async fn ended_by(server: &TestServer, message: pb::IngestDocumentsRequest) -> Status {
    let mut ingest = Ingest::open(server).await;
    ingest.send(first(vec![upsert("a", "{}")])).await;
    ingest.send(next(vec![upsert("b", "{}")])).await;
    ingest.send(message).await;
    for _ in 0..2 {
        assert_eq!(ingest.answer().await.unwrap().unwrap().results.len(), 1);
    }
    ingest.answer().await.unwrap_err()
}

#[apply(on_each_storage!)]
async fn a_bad_first_message_ends_it() {
    let server = TestServer::with_collection().await;
    let writes = || vec![upsert("a", "{}")];
    assert_eq!(refusal(&begun_with(&server, next(writes())).await), invalid(&["collection"]));
    let bad_mode = pb::IngestDocumentsRequest { results_mode: 9, ..first(writes()) };
    assert_eq!(refusal(&begun_with(&server, bad_mode).await), invalid(&["results_mode"]));
    let bad_uid = pb::IngestDocumentsRequest { collection_uid: "x".into(), ..first(writes()) };
    assert_eq!(refusal(&begun_with(&server, bad_uid).await), invalid(&["collection_uid"]));
    let unknown = pb::IngestDocumentsRequest { collection: collection_name("nobody"), ..first(writes()) };
    assert_eq!(refusal(&begun_with(&server, unknown).await), (Code::NotFound, "NOT_FOUND".to_owned(), Vec::new()));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_uid_is_checked() {
    let mut server = TestServer::start().await;
    let old = server.given_collection("c").await.uid;
    server.remove_collection("c").await;
    let new = server.given_collection("c").await.uid;
    let opening = |uid: &str| pb::IngestDocumentsRequest { collection_uid: uid.to_owned(), ..first(Vec::new()) };
    let expected = (Code::FailedPrecondition, "COLLECTION_CHANGED".to_owned(), Vec::new());
    assert_eq!(refusal(&begun_with(&server, opening(&old)).await), expected);
    let ingest = Ingest::open(&server).await;
    ingest.send(opening(&new)).await;
    assert_eq!(ingest.finish().await.unwrap().len(), 1);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_collection_cannot_change() {
    let mut server = TestServer::with_collection().await;
    server.given_collection("other").await;
    let other = pb::IngestDocumentsRequest { collection: collection_name("other"), ..Default::default() };
    assert_eq!(refusal(&ended_by(&server, other).await), invalid(&["collection"]));
    assert_eq!(server.stats("c").await.document_count, 2);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn bytes_that_are_not_the_message_end_it() {
    let server = TestServer::with_collection().await;
    let mut grpc = Grpc::new(server.channel.clone());
    grpc.ready().await.unwrap();
    // Field 2 of the request is a message; here it is a text, in the end one that is none.
    let texts = ["", "", "\u{7f}"];
    let messages = texts.map(|id| pb::GetDocumentRequest {
        collection: collection_name("c"),
        id: id.to_owned(),
        ..Default::default()
    });
    let path = PathAndQuery::from_static("/stillframe.v1.DocumentService/IngestDocuments");
    let codec = ProstCodec::<pb::GetDocumentRequest, pb::IngestDocumentsResponse>::default();
    let request = Request::new(futures::stream::iter(messages));
    let mut answers = grpc.streaming(request, path, codec).await.unwrap().into_inner();
    for _ in 0..2 {
        assert!(answers.message().await.unwrap().is_some());
    }
    let expected = (Code::InvalidArgument, "MALFORMED_REQUEST".to_owned(), Vec::new());
    assert_eq!(refusal(&answers.message().await.unwrap_err()), expected);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_message_that_is_too_large_ends_it() {
    let mut server = TestServer::with_collection().await;
    let too_large = (Code::InvalidArgument, "BATCH_TOO_LARGE".to_owned(), Vec::new());
    let many = next((0..20_001).map(|n| delete(&n.to_string())).collect());
    assert_eq!(refusal(&ended_by(&server, many).await), too_large);
    let bulky = next((0..11).map(|n| upsert(&n.to_string(), &body_of(MIB))).collect());
    assert_eq!(refusal(&ended_by(&server, bulky).await), too_large);
    let huge = next((0..13).map(|n| upsert(&n.to_string(), &body_of(MIB))).collect());
    let expected = (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned(), Vec::new());
    assert_eq!(refusal(&ended_by(&server, huge).await), expected);
    assert_eq!(server.stats("c").await.document_count, 2, "nothing of it was applied");
    server.stop().await;
}
