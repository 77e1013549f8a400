//! A snapshot is REQUESTED, then CREATED.

use stillframe::pb::snapshot::State;
use tonic::Code;

use crate::support::{COMMONS, TestServer, labels, micros, refused, snapshot_name};

#[apply(on_each_storage!)]
async fn a_requested_snapshot_is_durable_and_empty() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let block = server.block_pins();
    let snapshot = stillframe::pb::Snapshot {
        description: "weekly".to_owned(),
        labels: labels([("kind", "weekly")]),
        ..Default::default()
    };
    let requested = server.create_snapshot("books", "monday", snapshot).await.unwrap();
    assert_eq!((requested.state(), requested.name.clone()), (State::Requested, snapshot_name("monday")));
    assert_eq!((requested.collection_uid.as_str(), requested.created_by.as_str()), (&*collection.uid, "anonymous"));
    assert_eq!((requested.description.as_str(), &requested.labels), ("weekly", &labels([("kind", "weekly")])));
    assert_eq!((requested.snapshot_time, requested.document_count, requested.digest.as_str()), (None, 0, ""));
    assert_eq!(server.get_snapshot("monday").await.unwrap(), requested);
    block.lift();
    let last = server.watch_snapshot("monday").await.pop().unwrap();
    assert_eq!((last.state(), last.document_count), (State::Created, 10));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_created_snapshot_says_what_it_holds() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let stats = server.stats("books").await;
    let requested = server.request_snapshot("books", "monday").await.unwrap();
    let created = server.watch_snapshot("monday").await.pop().unwrap();
    assert_eq!((created.document_count, created.size_bytes), (100, stats.size_bytes));
    assert_eq!((created.offset, &created.digest), (100, &stats.digest));
    assert_eq!(created.collection, format!("{COMMONS}/collections/books"));
    assert_eq!(server.file_bytes(&created), server.data_bytes(&collection.uid));
    let (created_at, frozen_at) = (micros(created.create_time.as_ref()), micros(created.snapshot_time.as_ref()));
    assert!(created_at <= frozen_at && frozen_at <= micros(created.update_time.as_ref()));
    assert_eq!((created.uid, created.create_time), (requested.uid, requested.create_time));
    assert!(created.error.is_none() && created.retention.is_none() && created.etag != requested.etag);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_empty_collection_can_be_frozen() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let created = server.given_snapshot("books", "nothing").await;
    assert_eq!((created.document_count, created.size_bytes, created.incremental_bytes), (0, 0, 0));
    assert_eq!(created.digest, server.stats("books").await.digest);
    server.given_restore("nothing", "again").await;
    assert!(server.scan("again").await.is_empty());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_collection_must_exist() {
    let mut server = TestServer::start().await;
    refused(server.request_snapshot("nobody", "s").await, Code::NotFound, "NOT_FOUND");
    server.given_collection("books").await;
    server.delete_collection("books").await.unwrap();
    refused(server.request_snapshot("books", "s").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_being_restored_is_not_ready() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    let answer = server.request_snapshot("again", "s").await;
    refused(answer, Code::FailedPrecondition, "COLLECTION_NOT_READY");
    block.lift();
    server.ended_restore("again").await;
    server.given_snapshot("again", "s").await;
    server.stop().await;
}
