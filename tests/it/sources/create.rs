//! `CreateSource`: ids, limits and repetition.

use stillframe::pb::{self, source::State};
use tonic::Code;

use super::ndjson;
use crate::support::{TestServer, collection_name, refused};

const LIMIT: usize = 16;

#[apply(on_each_storage!)]
async fn a_source_has_its_defaults_and_runs_at_once() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let location = server.location("");
    let source = pb::Source { location: format!("{location}/"), ..Default::default() };
    let created = server.create_source("books", "in", source).await.unwrap();
    assert_eq!(created.name, super::source_name("books", "in"));
    assert_eq!(created.location, location, "normalised");
    assert_eq!((created.max_bad_records, created.scan_interval.unwrap().seconds), (Some(1_000), 10));
    assert_eq!(created.state(), State::Initializing);
    assert!(!created.uid.is_empty() && !created.etag.is_empty() && created.create_time.is_some());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_id_is_taken_once_and_a_collection_has_so_many() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let source = pb::Source { location: server.location(""), ..Default::default() };
    for n in 0..LIMIT {
        server.create_source("books", &format!("s{n}"), source.clone()).await.unwrap();
    }
    refused(server.create_source("books", "s0", source.clone()).await, Code::AlreadyExists, "SOURCE_EXISTS");
    refused(server.create_source("books", "more", source.clone()).await, Code::ResourceExhausted, "TOO_MANY_SOURCES");
    server.given_collection("other").await;
    server.create_source("other", "s0", source.clone()).await.unwrap();
    refused(server.create_source("none", "in", source).await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_id_makes_a_retry_safe() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    let request = pb::CreateSourceRequest {
        parent: collection_name("books"),
        source_id: "in".to_owned(),
        source: Some(pb::Source { location: server.location(""), ..Default::default() }),
        request_id: "once".to_owned(),
    };
    let first = server.sources.create_source(request.clone()).await.unwrap().into_inner();
    server.ingested("books", 1).await;
    let again = server.sources.create_source(request.clone()).await.unwrap().into_inner();
    assert_eq!((again.uid, again.documents_ingested), (first.uid, 3));
    let other = pb::CreateSourceRequest { source_id: "other".to_owned(), ..request };
    refused(server.sources.create_source(other).await, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_that_is_being_restored_takes_none() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s").await;
    let block = server.block_copies();
    server.request_restore("s", "again").await.unwrap();
    let source = pb::Source { location: server.location(""), ..Default::default() };
    refused(server.create_source("again", "in", source).await, Code::FailedPrecondition, "COLLECTION_NOT_READY");
    block.lift();
    server.ended_restore("again").await;
    server.stop().await;
}
