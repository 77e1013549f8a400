//! A stream ends at the deadline that its client has set and does not keep
//! itself, and with it what works for it.

use std::future::poll_fn;

use stillframe::pb;
use tonic::{Code, Status};

use super::{
    EMPTY, Witness, given_slow_documents,
    raw::{Raw, frame, methods, post},
    slow_stream,
};
use crate::support::{TestServer, collection_name, eventually, reason, refused};

/// On a busy machine a deadline may pass before what is to end at it has begun. That
/// is told all the same, and then a later one shows the rest.
const SOON: [&str; 4] = ["500m", "5S", "50S", "250S"];

fn assert_passed(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

#[apply(on_directory!)]
async fn a_watch_ends_at_its_deadline() {
    let mut server = TestServer::start().await;
    server.given_collection("c").await;
    let source = server.given_source("c", pb::Source::default()).await;
    let mut raw = Raw::connect(&server).await;
    let request = pb::WatchSourceRequest { name: source.name };
    let path = "/stillframe.v1.SourceService/WatchSource";
    let mut bytes = 0;
    for soon in SOON {
        let (answer, _sent) = raw.begin(path, Some(&request), Some(soon));
        let status;
        (bytes, status) = raw.whole(answer).await;
        assert_passed(&status);
        if bytes > 0 {
            break;
        }
    }
    assert!(bytes > 0, "the first state comes at once");
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn an_ingest_that_says_nothing_ends_at_its_deadline() {
    let server = TestServer::with_collection().await;
    let mut raw = Raw::connect(&server).await;
    let path = "/stillframe.v1.DocumentService/IngestDocuments";
    let (answer, mut sent) = raw.begin::<pb::IngestDocumentsRequest>(path, None, Some(SOON[0]));
    let (bytes, status) = raw.whole(answer).await;
    assert_eq!(bytes, 0);
    assert_passed(&status);
    // Nobody reads any more what it might send.
    raw.drive(poll_fn(|context| sent.poll_reset(context))).await.unwrap();
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_scan_ends_at_its_deadline() {
    let mut server = given_slow_documents().await;
    let witness = Witness::begin(&mut server).await;
    let mut raw = Raw::connect(&server).await;
    let path = "/stillframe.v1.DocumentService/StreamDocuments";
    let mut has_begun = false;
    for soon in SOON {
        let (answer, _sent) = raw.begin(path, Some(&slow_stream()), Some(soon));
        let answer = raw.drive(answer).await.unwrap();
        // Its headers come alone when the scan has begun.
        has_begun = Status::from_header_map(answer.headers()).is_none();
        assert_passed(&raw.end_of(answer).await.1);
        if has_begun {
            break;
        }
    }
    assert!(has_begun, "in the time of the longest deadline");
    eventually("the scan has stopped", async || !server.is_scanning(EMPTY).await).await;
    witness.must_be_under_way(&server).await;
    drop(raw);
    server.stop().await;
}

#[apply(on_directory!)]
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

/// Passed over, its call would have none.
#[apply(on_directory!)]
async fn a_malformed_deadline_is_told() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    for sent in ["", "S", "1", "abc", "-1S", "+1S", "1.5S", "5s", "5 S", "123456789S", "5S, 6S"] {
        let request = post("/grpc.health.v1.Health/Check").header("grpc-timeout", sent).body(()).unwrap();
        let (answer, status) = raw.outcome(request, frame(0, b"")).await;
        assert_eq!(answer.status(), 200);
        let status = refused::<()>(Err(status.expect("it is refused")), Code::Internal, "PROTOCOL_ERROR");
        assert!(status.message().contains(&format!("{sent:?}")), "{status:?}");
    }
    for path in methods() {
        let request = post(&path).header("grpc-timeout", "soon").body(()).unwrap();
        let (_, status) = raw.outcome(request, frame(0, b"")).await;
        refused::<()>(Err(status.expect("it is refused")), Code::Internal, "PROTOCOL_ERROR");
    }
    for sent in ["99999999H", "1H"] {
        let request = post("/grpc.health.v1.Health/Check").header("grpc-timeout", sent).body(()).unwrap();
        assert!(raw.outcome(request, frame(0, b"")).await.1.is_none(), "{sent}");
    }
    drop(raw);
    server.stop().await;
}
