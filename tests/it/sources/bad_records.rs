//! One bad record costs itself; too many stop the source until it is resumed.

use stillframe::pb::{self, source::State};

use super::{documents, gzip, ndjson};
use crate::support::TestServer;

#[apply(on_each_storage!)]
async fn bad_records_are_counted_and_the_first_are_kept() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let bad = "{\"a\":1,\"a\":2}\n".repeat(15);
    server.import("x.ndjson", format!("{}not json\n[1]\n{bad}{}", ndjson(0, 2, 1), ndjson(2, 4, 1)));
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 1).await;
    assert_eq!((ended.documents_ingested, ended.bad_records), (4, 17));
    assert_eq!(server.scan("books").await, documents(0, 4, 1));
    let kept = &ended.first_bad_records;
    assert_eq!(kept.iter().map(|bad| bad.line).collect::<Vec<_>>(), (3..=12).collect::<Vec<_>>());
    assert!(kept.iter().all(|bad| bad.path == "x.ndjson"));
    let reasons = [0, 1].map(|at| kept[at].reason.as_str());
    assert_eq!(reasons, ["is not JSON: expected a value at byte 0", "is an array, not a JSON object"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_object_that_cannot_be_read_on_costs_one_bad_record() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut cut = gzip(ndjson(0, 3_000, 1)).await;
    cut.truncate(cut.len() - 4);
    server.import("a.ndjson.gz", cut);
    server.import("b.json", "[{\"_id\":\"b\"}, {]");
    server.import("c.ndjson", "{\"_id\":\"c\"}");
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 3).await;
    assert_eq!((ended.bad_records, ended.documents_ingested), (2, 3_002));
    let found = ended.first_bad_records.iter().map(|bad| (bad.path.as_str(), bad.line)).collect::<Vec<_>>();
    assert_eq!(found, [("a.ndjson.gz", 0), ("b.json", 0)]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn too_many_are_an_error_and_resuming_goes_on_behind_them() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("x.ndjson", format!("?\n?\n{}?\n{}?\n", ndjson(0, 2, 1), ndjson(2, 4, 1)));
    server.given_source("books", pb::Source { max_bad_records: Some(2), ..Default::default() }).await;
    let stopped = server.becomes("books", State::Error).await;
    assert_eq!(stopped.error.as_ref().unwrap().message, "more than 2 records are bad; resume it to go on behind them");
    assert_eq!((stopped.bad_records, stopped.documents_ingested, stopped.objects_done), (3, 2, 0));
    assert_eq!(stopped.first_bad_records.len(), 3);

    assert_eq!(server.resume("books").await.state(), State::Initializing);
    let ended = server.ingested("books", 1).await;
    assert_eq!((ended.bad_records, ended.documents_ingested), (4, 4), "none twice");
    assert_eq!((ended.error, ended.first_bad_records.len()), (None, 1), "a new allowance");
    assert_eq!(server.scan("books").await, documents(0, 4, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_allowance_of_none_stops_at_the_first() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.import("x.ndjson", format!("?\n{}?\n", ndjson(3, 4, 1)));
    server.given_source("books", pb::Source { max_bad_records: Some(0), ..Default::default() }).await;
    let stopped = server.becomes("books", State::Error).await;
    assert_eq!((stopped.bad_records, stopped.documents_ingested), (1, 3));
    server.resume("books").await;
    // The corrected object has another version, and is read from its start.
    server.import("x.ndjson", ndjson(3, 5, 1));
    let ended = server.ingested("books", 2).await;
    assert_eq!(server.scan("books").await, documents(0, 5, 1));
    assert_eq!(ended.bad_records, 1);
    server.stop().await;
}
