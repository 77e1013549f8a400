//! The sources of a deleted collection go with it.

use stillframe::{
    pb,
    records::{Record, Source},
};
use tonic::Code;

use super::{documents, ndjson, quick, source_name};
use crate::support::{TestServer, collection_name, records_of, refused, rounds};

#[apply(on_each_storage!)]
async fn a_deleted_collection_takes_its_sources_along() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 40_000, 1));
    server.given_source("books", pb::Source::default()).await;
    let watch = pb::WatchSourceRequest { name: source_name("books", "in") };
    let watch = server.sources.watch_source(watch).await.unwrap().into_inner();
    server.delete_collection("books").await.unwrap();
    refused(server.get_source("books", "in").await, Code::NotFound, "NOT_FOUND");
    let ended = crate::support::collect(watch).await.unwrap_err();
    refused::<()>(Err(ended), Code::NotFound, "NOT_FOUND");

    // Another collection of that name has none of them.
    server.given_collection("books").await;
    let list = pb::ListSourcesRequest { parent: collection_name("books"), ..Default::default() };
    assert!(server.sources.list_sources(list).await.unwrap().into_inner().sources.is_empty());
    server.import("b.ndjson", ndjson(40_000, 40_003, 1));
    let source = pb::Source { pattern: "b*".to_owned(), ..Default::default() };
    server.given_source("books", source).await;
    server.ingested("books", 1).await;
    assert_eq!(server.scan("books").await, documents(40_000, 40_003, 1));
    let dir = server.stop().await;
    let mut server = TestServer::reopen(dir).await;
    server.ingested("books", 1).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn one_that_comes_while_its_collection_goes_does_not_stay() {
    let mut server = TestServer::start().await;
    server.import("a.ndjson", ndjson(0, 5, 1));
    for round in 0..rounds(20, 200) {
        let id = format!("c{round}");
        server.given_collection(&id).await;
        let source = pb::CreateSourceRequest {
            parent: collection_name(&id),
            source_id: "in".to_owned(),
            source: Some(pb::Source { location: server.location(""), ..quick(pb::Source::default()) }),
            ..Default::default()
        };
        let mut sources = server.sources.clone();
        let (_, deleted) = tokio::join!(sources.create_source(source), server.delete_collection(&id));
        deleted.unwrap();
    }
    let dir = server.stop().await;
    assert_eq!(records_of(&dir).await.scan(&Source::all()).count(), 0);
}
