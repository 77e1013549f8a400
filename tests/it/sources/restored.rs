//! A restored collection has no sources (**R3**), but knows how far they were.

use stillframe::{
    pb::{self, source::State},
    records::{Record, SourcePosition},
};
use tonic::Code;

use super::{documents, ndjson};
use crate::{
    records::{conformance::open, given::large_labels},
    support::{TestServer, collection_name, config_on_storage, eventually, refused},
};

/// `books` with two objects ingested, frozen; a third object since.
async fn given_frozen(server: &mut TestServer) {
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.import("b.ndjson", ndjson(3, 5, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 2).await;
    server.given_snapshot("books", "s").await;
    server.import("c.ndjson", ndjson(5, 6, 1));
    server.ingested("books", 3).await;
    server.given_restore("s", "again").await;
}

async fn positions(server: &mut TestServer, collection: &str) -> Vec<pb::collection::SourcePosition> {
    server.collection(collection).await.unwrap().restore_info.unwrap().source_positions
}

#[apply(on_each_storage!)]
async fn connecting_again_ingests_everything_again() {
    let mut server = TestServer::start().await;
    given_frozen(&mut server).await;
    let list = pb::ListSourcesRequest { parent: collection_name("again"), ..Default::default() };
    assert!(server.sources.list_sources(list).await.unwrap().into_inner().sources.is_empty(), "R3");
    let offset = server.stats("again").await.offset;
    assert_eq!(offset, 5);
    server.given_source("again", pb::Source::default()).await;
    assert_eq!(server.ingested("again", 3).await.documents_ingested, 6);
    assert_eq!(server.stats("again").await.offset, offset + 6, "all of it");
    assert_eq!(server.scan("again").await, documents(0, 6, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn starting_from_the_restore_ingests_only_what_came_after() {
    let mut server = TestServer::start().await;
    given_frozen(&mut server).await;
    let known = positions(&mut server, "again").await;
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].objects, known[0].documents), (2, 5));
    assert_eq!((known[0].location.as_str(), known[0].last_object.as_str()), (server.location("").as_str(), "b.ndjson"));

    server.given_source("again", pb::Source { start_from_restore: true, ..Default::default() }).await;
    let ended = server.ingested("again", 1).await;
    assert_eq!((ended.documents_ingested, server.stats("again").await.offset), (1, 6));
    assert_eq!(server.scan("again").await, documents(0, 6, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_place_that_the_restore_does_not_know_is_refused() {
    let mut server = TestServer::start().await;
    given_frozen(&mut server).await;
    let source = pb::Source { location: server.location("x"), start_from_restore: true, ..Default::default() };
    for collection in ["again", "books"] {
        let refusal = server.create_source(collection, "other", source.clone()).await;
        refused(refusal, Code::FailedPrecondition, "SOURCE_POSITION_NOT_FOUND");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restore_of_a_restore_knows_the_newest_of_each_place() {
    let mut server = TestServer::start().await;
    given_frozen(&mut server).await;
    server.given_snapshot("again", "s2").await;
    server.given_restore("s2", "third").await;
    assert_eq!(positions(&mut server, "third").await, positions(&mut server, "again").await);
    server.given_source("third", pb::Source { start_from_restore: true, ..Default::default() }).await;
    server.ingested("third", 1).await;
    server.given_snapshot("third", "s3").await;
    server.given_restore("s3", "fourth").await;
    let known = positions(&mut server, "fourth").await;
    assert_eq!((known.len(), known[0].objects, known[0].last_object.as_str()), (1, 1, "c.ndjson"));
    server.given_source("fourth", pb::Source { start_from_restore: true, ..Default::default() }).await;
    assert_eq!(server.scanned_again("fourth").await.objects_seen, 0, "nothing is left");
    server.stop().await;
}

/// A place with the longest name that there may be; nothing is there.
fn longest(server: &TestServer, n: usize) -> String {
    let mut place = server.location(&format!("{n:0>200}"));
    while place.len() + 400 < 4_096 {
        place += "/";
        // One byte each in the path, which may not be as long.
        place += &"%20".repeat(60);
    }
    place += "/";
    let missing = 4_096 - place.len();
    place + &"%20".repeat(missing / 3) + &"e".repeat(missing % 3)
}

/// No record is too large for the log, whatever they all are called.
#[apply(on_each_storage!)]
async fn sixteen_sources_with_the_longest_places_are_known_and_go_with_the_collection() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    let mut expected = Vec::new();
    for n in 0..16 {
        let (location, pattern) = (longest(&server, n), format!("{n:0>512}"));
        let source = pb::Source { location: location.clone(), pattern: pattern.clone(), ..Default::default() };
        let id = format!("in-{n}");
        server.create_source("books", &id, source).await.unwrap();
        expected.push((location, pattern));
        eventually("it has marks", async || {
            let source = server.get_source("books", &id).await.unwrap();
            source.error.is_some() || source.state() != State::Initializing
        })
        .await;
    }
    server.given_snapshot("books", "s").await;
    server.given_restore("s", "again").await;
    let large = pb::Collection {
        name: collection_name("again"),
        description: "d".repeat(4_096),
        labels: large_labels(),
        ..Default::default()
    };
    server.update_collection(large, Some(&["description", "labels"])).await.unwrap();
    let known = positions(&mut server, "again").await;
    assert_eq!(known.into_iter().map(|known| (known.location, known.pattern)).collect::<Vec<_>>(), expected);
    // Those of a restore of a restore are as many.
    server.given_snapshot("again", "s2").await;
    server.given_restore("s2", "third").await;
    assert_eq!(positions(&mut server, "third").await.len(), 16);
    server.delete_collection("again").await.unwrap();
    let third = server.collection("third").await.unwrap().uid.parse().unwrap();
    let dir = server.stop().await;
    let (config, _bucket) = config_on_storage(dir.path()).await;
    let records = open(&config).await;
    assert_eq!(records.scan(&SourcePosition::all()).count(), 16);
    assert_eq!(records.scan(&SourcePosition::within(third)).count(), 16);
}
