//! Messages that begin and do not go on.

use std::time::Duration;

use bytes::Bytes;
use stillframe::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use super::raw::Raw;
use crate::support::{DEADLINE, TestServer, collection_name, refused, upsert};

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";
const INGEST: &str = "/stillframe.v1.DocumentService/IngestDocuments";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

const PATIENCE: Duration = Duration::from_millis(200);

/// A server with the collection `c`. That was made when there was more patience: on a
/// busy machine innocent messages stall, too.
async fn start() -> TestServer {
    let dir = TestServer::with_collection().await.stop().await;
    TestServer::reopen_with(dir, |config| config.transport.message_patience = PATIENCE).await.unwrap()
}

/// Begins a call with these bytes, says no more, and waits.
async fn stall(server: &TestServer, path: &str, bytes: &'static [u8]) -> Status {
    let mut client = Raw::connect(server).await;
    let (answer, mut sent) = client.begin::<pb::WriteDocumentsRequest>(path, None, None);
    sent.send_data(Bytes::from_static(bytes), false).unwrap();
    client.whole(answer).await.1
}

#[apply(on_directory!)]
async fn a_message_that_does_not_go_on_ends_its_call() {
    let server = start().await;
    // Nothing of it, a part of its prefix, of itself, and all of it but the end.
    for bytes in [&b""[..], b"\0\0", b"\0\0\0\0\x02\x0a", b"\0\0\0\0\x02\x0a\0"] {
        refused::<()>(Err(stall(&server, WRITE, bytes).await), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    }
    for path in [INGEST, CHECK, REFLECTION] {
        for bytes in [&b"\0\0"[..], b"\0\0\0\0\x02\x0a"] {
            refused::<()>(Err(stall(&server, path, bytes).await), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        }
    }
    server.stop().await;
}

/// Or it would be parsed, and could wait as long as more comes.
#[apply(on_directory!)]
async fn nothing_may_follow_the_only_message_of_a_call() {
    let server = TestServer::with_collection().await;
    for more in [&b"\0"[..], b"\0\0\0\0\0"] {
        for apart in [false, true] {
            let mut client = Raw::connect(&server).await;
            let (answer, mut sent) = client.begin::<pb::WriteDocumentsRequest>(WRITE, None, None);
            let message = Bytes::from_static(b"\0\0\0\0\x02\x0a\0");
            if apart {
                sent.send_data(message, false).unwrap();
                client.drive(super::call(&server.channel)).await.unwrap();
                sent.send_data(Bytes::from_static(more), false).unwrap();
            } else {
                sent.send_data([&message, more].concat().into(), false).unwrap();
            }
            let answer = client.drive(answer).await.unwrap();
            let status = Status::from_header_map(answer.headers()).expect("it is refused at once");
            refused::<()>(Err(status), Code::InvalidArgument, "MALFORMED_REQUEST");
        }
    }
    server.stop().await;
}

/// However often a little comes.
#[apply(on_directory!)]
async fn a_message_that_trickles_ends_its_call() {
    let server = start().await;
    let mut client = Raw::connect(&server).await;
    let (answer, mut sent) = client.begin::<pb::WriteDocumentsRequest>(WRITE, None, None);
    sent.send_data(Bytes::from_static(b"\0\0\xc0\0\0"), false).unwrap();
    let trickle = async {
        while sent.send_data(Bytes::from_static(b"\0"), false).is_ok() {
            tokio::time::sleep(PATIENCE / 100).await;
        }
    };
    let answer = client.drive(async { tokio::join!(answer, trickle).0 }).await.unwrap();
    let status = Status::from_header_map(answer.headers()).expect("it is refused");
    refused::<()>(Err(status), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_stream_may_be_silent_between_messages() {
    let mut server = start().await;
    let (sender, messages) = mpsc::channel(1);
    let stream = server.documents.ingest_documents(ReceiverStream::new(messages)).await;
    let mut answers = stream.unwrap().into_inner();
    for id in ["a", "b"] {
        // As long as it takes others to be ended that were silent later.
        for _ in 0..2 {
            let stalled = stall(&server, INGEST, b"\0\0").await;
            refused::<()>(Err(stalled), Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        }
        assert!(futures::poll!(std::pin::pin!(answers.message())).is_pending(), "it goes on");
        let message = pb::IngestDocumentsRequest {
            collection: collection_name("c"),
            writes: vec![upsert(id, "{}")],
            ..Default::default()
        };
        sender.send(message).await.unwrap();
        let answer = tokio::time::timeout(DEADLINE, answers.message()).await.expect("an answer in time");
        answer.unwrap().expect("an acknowledgement");
    }
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
    server.stop().await;
}
