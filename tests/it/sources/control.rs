//! Suspend, resume and delete.

use stillframe::pb::{self, source::State};
use tonic::Code;

use super::{documents, ndjson, source_name};
use crate::support::{TestServer, eventually, refused};

#[apply(on_each_storage!)]
async fn a_suspended_source_stands_still_until_it_is_resumed() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 40_000, 1));
    server.given_source("books", pb::Source::default()).await;
    let suspended = server.suspend("books").await;
    assert_eq!(suspended.state(), State::Suspended);
    let offset = server.stats("books").await.offset;
    assert_eq!(offset, suspended.documents_ingested, "O5: what is there was counted");
    assert_eq!(server.suspend("books").await.etag, suspended.etag, "nothing changes");

    server.import("b.ndjson", ndjson(40_000, 40_010, 1));
    server.given_collection("other").await;
    server.given_source("other", pb::Source::default()).await;
    server.ingested("other", 2).await;
    assert_eq!(server.stats("books").await.offset, offset, "the other read all, this one nothing");

    assert_eq!(server.resume("books").await.state(), State::Initializing);
    let ended = server.ingested("books", 2).await;
    assert_eq!(ended.documents_ingested, 40_010);
    assert_eq!(server.stats("books").await.offset, 40_010, "each was written once");
    assert_eq!(server.resume("books").await.etag, ended.etag, "nothing changes");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_source_is_gone_and_its_documents_stay() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    let first = server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    let stale = pb::DeleteSourceRequest { name: source_name("books", "in"), etag: "0".repeat(16) };
    refused(server.sources.delete_source(stale).await, Code::Aborted, "ETAG_MISMATCH");
    server.delete_source("books").await.unwrap();
    refused(server.delete_source("books").await, Code::NotFound, "NOT_FOUND");
    refused(server.get_source("books", "in").await, Code::NotFound, "NOT_FOUND");
    assert_eq!(server.scan("books").await, documents(0, 3, 1));

    // Another one of that name begins anew.
    let second = server.given_source("books", pb::Source::default()).await;
    assert_ne!(second.uid, first.uid);
    assert_eq!(server.ingested("books", 1).await.documents_ingested, 3);
    assert_eq!(server.stats("books").await.offset, 6);
    server.stop().await;
}

/// What a snapshot holds of positions tells what is left of them.
#[apply(on_each_storage!)]
async fn the_position_of_a_deleted_source_goes() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for part in 0..3 {
        server.import(&format!("{part}.ndjson"), ndjson(part, part + 1, 1));
    }
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 3).await;
    server.delete_source("books").await.unwrap();
    let mut round = 0;
    eventually("its marks are removed", async || {
        round += 1;
        server.given_snapshot("books", &format!("s{round}")).await;
        let copy = format!("copy{round}");
        server.given_restore(&format!("s{round}"), &copy).await;
        server.collection(&copy).await.unwrap().restore_info.unwrap().source_positions.is_empty()
    })
    .await;
    assert_eq!(server.scan("books").await, documents(0, 3, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn two_sources_of_a_collection_count_for_themselves() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 5_000, 1));
    server.import("b.ndjson", ndjson(5_000, 5_010, 1));
    let of = |pattern: &str| pb::Source { pattern: pattern.to_owned(), ..super::quick(pb::Source::default()) };
    let (a, b) = (of("a*"), of("b*"));
    let location = server.location("");
    server.create_source("books", "in", pb::Source { location: location.clone(), ..a }).await.unwrap();
    server.create_source("books", "other", pb::Source { location, ..b }).await.unwrap();
    assert_eq!(server.ingested("books", 1).await.documents_ingested, 5_000);
    eventually("the other is done as well", async || {
        let other = server.get_source("books", "other").await.unwrap();
        (other.objects_done, other.documents_ingested) == (1, 10)
    })
    .await;
    assert_eq!(server.scan("books").await, documents(0, 5_010, 1));
    server.stop().await;
}
