//! **O5** over restarts: nothing is lost, nothing counted twice.

use stillframe::pb::{self, source::State};

use super::{documents, gzip, ndjson};
use crate::support::{TestServer, eventually};

const COUNT: usize = 60_000;

#[apply(on_each_storage!)]
async fn a_stop_in_the_middle_of_an_object_is_a_pause() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson.gz", gzip(ndjson(0, COUNT, 1)).await);
    server.given_source("books", pb::Source::default()).await;
    eventually("it has begun", async || server.source("books").await.documents_ingested > 0).await;
    let dir = server.stop().await;
    let mut server = TestServer::reopen(dir).await;
    let ended = server.ingested("books", 1).await;
    assert_eq!(ended.documents_ingested, i64::try_from(COUNT).unwrap());
    assert_eq!(ended.bytes_read, i64::try_from(ndjson(0, COUNT, 1).len()).unwrap());
    assert_eq!(server.stats("books").await.offset, i64::try_from(COUNT).unwrap(), "each was written once");
    assert_eq!(server.scan("books").await, documents(0, COUNT, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn states_and_counters_are_the_same_after_a_restart() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", format!("?\n{}", ndjson(0, 3, 1)));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    let before = server.suspend("books").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    let after = server.source("books").await;
    assert_eq!(after.state(), State::Suspended);
    assert_eq!(pb::Source { last_scan_time: before.last_scan_time, ..after }, before);
    server.resume("books").await;
    let resumed = server.ingested("books", 1).await;
    assert_eq!((resumed.documents_ingested, resumed.bad_records), (3, 1));
    assert_eq!(server.stats("books").await.offset, 3);
    server.stop().await;
}
