//! A data directory that is moved takes its sources along.

use stillframe::pb::{self, source::State};

use super::{documents, ndjson, quick};
use crate::support::TestServer;

/// The data of a server that has stopped, at another place.
fn moved(dir: &tempfile::TempDir) -> tempfile::TempDir {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(dir.path(), elsewhere.path()).unwrap();
    elsewhere
}

#[apply(on_each_storage!)]
async fn a_source_of_the_import_directory_goes_on_where_that_is_now() {
    let mut server = TestServer::start().await;
    for (collection, path) in [("whole", ""), ("part", "in")] {
        server.given_collection(collection).await;
        let source = quick(pb::Source { location: server.location(path), ..Default::default() });
        server.create_source(collection, "in", source).await.unwrap();
    }
    server.import("in/a.ndjson", "{\"n\":1}\n");
    let mut before = Vec::new();
    for collection in ["whole", "part"] {
        server.ingested(collection, 1).await;
        before.push(server.scan(collection).await);
    }
    let mut server = TestServer::reopen(moved(&server.stop().await)).await;
    server.import("in/b.ndjson", "{\"n\":2}\n");
    for (at, (collection, path)) in [("whole", ""), ("part", "in")].into_iter().enumerate() {
        let ended = server.ingested(collection, 2).await;
        assert_eq!((ended.documents_ingested, &ended.location), (2, &server.location(path)), "what was read is known");
        let after = server.scan(collection).await;
        assert!(after.len() == 2 && before[at].iter().all(|document| after.contains(document)));
    }
    // The ids that records have by their place are those that they had.
    server.import("in/a.ndjson", "{\"n\":3}\n");
    server.ingested("whole", 3).await;
    let mut bodies: Vec<_> = server.scan("whole").await.into_iter().map(|(_, body)| body).collect();
    bodies.sort();
    assert_eq!(bodies, [r#"{"n":2}"#, r#"{"n":3}"#]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restored_collection_knows_the_place_after_a_move() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    server.given_snapshot("books", "s").await;
    let mut server = TestServer::reopen(moved(&server.stop().await)).await;
    server.given_restore("s", "again").await;
    server.import("b.ndjson", ndjson(3, 5, 1));
    server.given_source("again", pb::Source { start_from_restore: true, ..Default::default() }).await;
    assert_eq!(server.ingested("again", 1).await.documents_ingested, 2, "only what came after");
    assert_eq!(server.scan("again").await, documents(0, 5, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_source_of_another_place_stays_where_it_was() {
    let elsewhere = tempfile::tempdir().unwrap();
    let location = format!("file://{}", elsewhere.path().canonicalize().unwrap().display());
    let mut server = TestServer::start_with(|config| {
        config.source_allow = Some(vec![location.parse().unwrap()]);
    })
    .await;
    server.given_collection("books").await;
    std::fs::write(elsewhere.path().join("a.ndjson"), "{\"_id\":\"a\"}\n").unwrap();
    let source = quick(pb::Source { location: location.clone(), ..Default::default() });
    server.create_source("books", "in", source).await.unwrap();
    server.ingested("books", 1).await;
    let dir = moved(&server.stop().await);
    let allow = |config: &mut stillframe::app::Config| config.source_allow = Some(vec![location.parse().unwrap()]);
    let mut server = TestServer::reopen_with(dir, allow).await.unwrap();
    std::fs::write(elsewhere.path().join("b.ndjson"), "{\"_id\":\"b\"}\n").unwrap();
    assert_eq!(server.ingested("books", 2).await.location, location);
    // What the operator says counts wherever a source is.
    let mut server = TestServer::reopen(server.stop().await).await;
    server.becomes("books", State::Error).await;
    server.stop().await;
}
