//! `kill -9` at random moments, while a source ingests (**O5**): the result and
//! the counters equal the input exactly.

use std::time::Duration;

use stillframe::pb;

use super::{
    super::{
        sources::{documents, gzip, ndjson},
        support::{Random, TestServer, eventually, rounds, span},
    },
    child::Child,
    invariants::check,
};

const OBJECTS: usize = 6;
const RECORDS: usize = 20_000;
/// In each object.
const BAD: usize = 3;

#[apply(on_directory!)]
async fn a_source_equals_its_input_whenever_it_is_killed() {
    let mut random = Random::seeded();
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut bytes = 0;
    for object in 0..OBJECTS {
        let content = content(object);
        bytes += content.len();
        server.import(&format!("{object}.ndjson.gz"), gzip(content).await);
    }
    let source = pb::Source {
        location: server.location(""),
        scan_interval: Some(span(Duration::from_secs(1))),
        ..Default::default()
    };
    server.create_source("books", "in", source).await.unwrap();
    let mut dir = server.stop().await;
    for _ in 0..rounds(1, 4) {
        let mut child = Child::start(dir).await;
        eventually("it goes on", async || child.client.source("books").await.last_scan_time.is_some()).await;
        tokio::time::sleep(random.moment()).await;
        dir = child.kill().await;
    }
    let mut server = TestServer::reopen(dir).await;
    let ended = server.ingested("books", i64::try_from(OBJECTS).unwrap()).await;
    let total = OBJECTS * RECORDS;
    let counted = (ended.documents_ingested, ended.bad_records, ended.bytes_read);
    let expected = (total, OBJECTS * BAD, bytes);
    let count = |n: usize| i64::try_from(n).unwrap();
    assert_eq!(counted, (count(expected.0), count(expected.1), count(expected.2)));
    assert_eq!(server.stats("books").await.offset, count(total), "each was written once");
    assert_eq!(server.scan("books").await, documents(0, total, 1));
    check(&mut server).await;
    server.stop().await;
}

/// Records, with bad ones at the start, in the middle and at the end.
fn content(object: usize) -> String {
    let (first, middle, last) = (object * RECORDS, object * RECORDS + RECORDS / 3, (object + 1) * RECORDS);
    format!("?\n{}[]\n{}{{}}{{}}\n", ndjson(first, middle, 1), ndjson(middle, last, 1))
}
