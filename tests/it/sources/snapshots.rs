//! A snapshot holds the position that equals its contents (**O5**).

use stillframe::pb;

use super::{documents, ndjson};
use crate::support::{TestServer, eventually};

const COUNT: usize = 60_000;
/// Where a bad record stops the source.
const STOP: usize = 50_000;

#[apply(on_each_storage!)]
async fn a_snapshot_in_the_middle_of_an_object_goes_on_exactly_there() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    // It gets no further than to the bad record, so that the snapshot is taken in the
    // middle, however slow we are to ask for it.
    server.import("a.ndjson", format!("{}?\n{}", ndjson(0, STOP, 1), ndjson(STOP, COUNT, 1)));
    server.given_source("books", pb::Source { max_bad_records: Some(0), ..Default::default() }).await;
    eventually("it has begun", async || server.source("books").await.documents_ingested > 0).await;
    let frozen = server.given_snapshot("books", "s").await;
    server.given_restore("s", "again").await;
    let info = server.collection("again").await.unwrap().restore_info.unwrap();
    assert_eq!(info.source_positions[0].documents, frozen.document_count, "they agree");

    server.given_source("again", pb::Source { start_from_restore: true, ..Default::default() }).await;
    let ended = server.ingested("again", 1).await;
    let rest = i64::try_from(COUNT).unwrap() - frozen.document_count;
    assert_eq!(ended.documents_ingested, rest, "the rest, and nothing twice");
    assert_eq!(server.stats("again").await.offset, i64::try_from(COUNT).unwrap());
    assert_eq!(server.scan("again").await, documents(0, COUNT, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_position_that_moved_without_a_document_is_in_the_next_snapshot() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    server.given_snapshot("books", "before").await;
    server.import("b.ndjson", "");
    server.ingested("books", 2).await;
    let after = server.given_snapshot("books", "after").await;
    assert_eq!(after.incremental_bytes, 0);
    server.given_restore("after", "again").await;
    let info = server.collection("again").await.unwrap().restore_info.unwrap();
    assert_eq!(info.source_positions[0].objects, 2);
    server.stop().await;
}
