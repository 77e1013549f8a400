//! A stream ends at the deadline that its client has set and does not keep
//! itself, and with it what works for it.

use std::future::poll_fn;

use stillframe::pb;
use tonic::{Code, Status};

use super::{SLOW, given_slow_documents, raw::Raw};
use crate::support::{TestServer, collection_name, eventually, reason};

const SOON: Option<&str> = Some("500m");

fn assert_passed(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[tokio::test]
async fn a_watch_ends_at_its_deadline() {
    let mut server = TestServer::start().await;
    server.given_collection("c").await;
    let source = server.given_source("c", pb::Source::default()).await;
    let mut raw = Raw::connect(&server).await;
    let request = pb::WatchSourceRequest { name: source.name };
    let mut watch = raw.call("/stillframe.v1.SourceService/WatchSource", &request, SOON).await;
    let (bytes, status) = raw.rest(&mut watch).await;
    assert!(bytes > 0, "the first state comes at once");
    assert_passed(&status);
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn an_ingest_that_says_nothing_ends_at_its_deadline() {
    let server = TestServer::with_collection().await;
    let mut raw = Raw::connect(&server).await;
    let path = "/stillframe.v1.DocumentService/IngestDocuments";
    let (answer, mut sent) = raw.begin::<pb::IngestDocumentsRequest>(path, None, SOON);
    let mut answers = raw.drive(answer).await.unwrap().into_body();
    let (bytes, status) = raw.rest(&mut answers).await;
    assert_eq!(bytes, 0);
    assert_passed(&status);
    // Nobody reads any more what it might send.
    raw.drive(poll_fn(|context| sent.poll_reset(context))).await.unwrap();
    drop(raw);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_ends_at_its_deadline() {
    let mut server = TestServer::start_with(|config| config.tuning.scans_at_once = 1).await;
    given_slow_documents(&mut server, "c", 5000).await;
    let request =
        pb::StreamDocumentsRequest { collection: collection_name("c"), filter: SLOW.to_owned(), ..Default::default() };
    let mut raw = Raw::connect(&server).await;
    // Its headers come when the scan, which would take minutes, has begun.
    let mut stream = raw.call("/stillframe.v1.DocumentService/StreamDocuments", &request, SOON).await;
    let (_, status) = raw.rest(&mut stream).await;
    assert_passed(&status);
    eventually("the scan has stopped", async || !server.is_scanning().await).await;
    drop(raw);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_ends_before_its_deadline_ends_well() {
    let mut server = TestServer::with_collection().await;
    server.given_bulk(20).await;
    let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let mut raw = Raw::connect(&server).await;
    let path = "/stillframe.v1.DocumentService/StreamDocuments";
    let mut answers = Vec::new();
    for timeout in [None, Some("1H")] {
        let mut stream = raw.call(path, &request, timeout).await;
        let (bytes, status) = raw.rest(&mut stream).await;
        assert_eq!(status.code(), Code::Ok);
        answers.push(bytes);
    }
    assert_eq!(answers[0], answers[1]);
    drop(raw);
    server.stop().await;
}
