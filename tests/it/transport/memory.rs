//! What requests may hold in memory together.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::{Either, select};
use h2::{SendStream, client::ResponseFuture};
use http::Request;
use prost::Message;
use stillframe::pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, codec::CompressionEncoding};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use super::{call, raw::Raw};
use crate::support::{DEADLINE, TestServer, collection_name, eventually, reason, refused, upsert};

const MIB: usize = 1 << 20;
/// Half of the least that can be configured, for single calls, and for streams.
const TOTAL: usize = 16 * MIB;
/// What one caller may have of it.
const ALL: usize = 12 * MIB;
/// What others hold, and what that leaves.
const MUCH: usize = 7 * MIB;
const REST: usize = ALL - MUCH;
/// Up to here a request does not count.
const SMALL: usize = 8 << 10;

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";

async fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.transport.request_memory_bytes = 2 * TOTAL;
        // What is held comes to no end and answers nothing meanwhile.
        config.transport.message_patience = DEADLINE;
        config.transport.keepalive_interval = DEADLINE;
    })
    .await
}

/// A write of so many bytes in all, to a collection that is not there.
fn sized(bytes: usize) -> pb::WriteDocumentsRequest {
    let with = |body: usize| pb::WriteDocumentsRequest {
        collection: collection_name("nowhere"),
        writes: vec![upsert("a", &"x".repeat(body))],
        ..Default::default()
    };
    let around = with(bytes).encoded_len() - bytes;
    let request = with(bytes - around);
    assert_eq!(request.encoded_len(), bytes);
    request
}

/// What the server says to it; that it fails is not the point.
async fn write(server: &mut TestServer, bytes: usize) -> Status {
    server.documents.write_documents(sized(bytes)).await.expect_err("there is no such collection")
}

fn is_let_in(status: &Status) -> bool {
    let reason = reason(status);
    assert!(["NOT_FOUND", "BATCH_TOO_LARGE", "RESOURCE_BUSY"].contains(&reason.as_str()), "{status:?}");
    reason != "RESOURCE_BUSY"
}

/// Waits until a write of so many bytes is let in, or is not.
async fn until(server: &mut TestServer, bytes: usize, let_in: bool) {
    let what = format!("{bytes} are let in: {let_in}");
    eventually(&what, async || is_let_in(&write(server, bytes).await) == let_in).await;
}

/// Sends the first bytes of a longer message.
fn send(client: &mut Raw, path: &str, announced: usize, bytes: usize) -> (ResponseFuture, SendStream<Bytes>) {
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (answer, mut sent) = client.client.send_request(request.body(()).unwrap(), false).unwrap();
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(announced).unwrap());
    message.put_bytes(0, bytes);
    sent.send_data(message.freeze(), false).unwrap();
    (answer, sent)
}

/// Has so many bytes counted, of which `rest` are left.
async fn hold(client: &mut Raw, server: &mut TestServer, bytes: usize, rest: usize) -> SendStream<Bytes> {
    loop {
        let (answer, sent) = send(client, WRITE, bytes + 1, bytes);
        let counted = std::pin::pin!(until(server, rest + 1, false));
        // It may be refused itself, for one of the writes that look for room.
        if let Either::Right(_) = client.drive(select(answer, counted)).await {
            return sent;
        }
    }
}

async fn let_go(mut client: Raw, mut held: Vec<SendStream<Bytes>>) {
    for sent in &mut held {
        sent.send_reset(h2::Reason::CANCEL);
    }
    client.drive(tokio::task::yield_now()).await;
}

#[apply(on_directory!)]
async fn what_has_come_of_a_message_counts_until_its_call_ends() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let held = hold(&mut client, &mut server, MUCH, REST).await;

    assert!(is_let_in(&write(&mut server, REST).await));
    let status = write(&mut server, REST + 1).await;
    let status = refused::<()>(Err(status), Code::ResourceExhausted, "RESOURCE_BUSY");
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    assert_eq!(status.get_details_error_info().unwrap().metadata["limit"], TOTAL.to_string());

    let_go(client, vec![held]).await;
    until(&mut server, REST + 1, true).await;
    server.stop().await;
}

/// A length that is only announced takes nothing.
#[apply(on_directory!)]
async fn small_requests_are_always_let_in() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let held =
        [hold(&mut client, &mut server, MUCH, REST).await, hold(&mut client, &mut server, REST - SMALL, SMALL).await];
    let announced: Vec<_> = (0..100).map(|_| send(&mut client, WRITE, 12 * MIB, 1).1).collect();
    client.drive(call(&server.channel)).await.unwrap();
    assert!(is_let_in(&write(&mut server, SMALL).await));
    assert!(!is_let_in(&write(&mut server, SMALL + 1).await));
    let_go(client, held.into_iter().chain(announced).collect()).await;
    server.stop().await;
}

/// It comes in a few kilobytes, and counts as what it is when it has been unpacked.
#[apply(on_directory!)]
async fn a_compressed_message_counts_as_what_it_is() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let held = hold(&mut client, &mut server, MUCH, REST).await;
    let mut documents = server.documents.clone().send_compressed(CompressionEncoding::Gzip);
    for (bytes, let_in) in [(REST, true), (REST + 1, false)] {
        let status = documents.write_documents(sized(bytes)).await.unwrap_err();
        assert_eq!(is_let_in(&status), let_in, "{bytes}");
    }
    let_go(client, vec![held]).await;
    server.stop().await;
}

/// So does one to any other service.
#[apply(on_directory!)]
async fn a_compressed_message_to_any_service_counts_as_what_it_is() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let held =
        vec![hold(&mut client, &mut server, MUCH, REST).await, hold(&mut client, &mut server, REST - MIB, MIB).await];
    let named = |bytes: usize| pb::GetWorkspaceRequest { name: "x".repeat(bytes) };
    let around = named(MIB).encoded_len() - MIB;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut workspaces = server.workspaces.clone().send_compressed(encoding);
        for (bytes, expected) in [(MIB, "INVALID_FIELD"), (MIB + 1, "RESOURCE_BUSY")] {
            let status = workspaces.get_workspace(named(bytes - around)).await.unwrap_err();
            assert_eq!(reason(&status), expected, "{bytes} {encoding}");
        }
    }
    let_go(client, held).await;
    server.stop().await;
}

/// Those who need no key and those who have one do not take from each other.
#[apply(on_directory!)]
async fn questions_that_need_no_key_have_room_of_their_own() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let held = vec![
        hold(&mut client, &mut server, MUCH, REST).await,
        hold(&mut client, &mut server, REST - SMALL, SMALL).await,
    ];
    let mut health = HealthClient::new(server.channel.clone());
    let unknown = HealthCheckRequest { service: "x".repeat(2 << 10) };
    refused(health.check(unknown).await, Code::NotFound, "NOT_FOUND");
    let_go(client, held).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_stream_counts_as_its_largest_message() {
    /// Together they are more than there is.
    const COUNT: usize = 6;
    /// What four writes take beside what they say.
    const WRITES_BYTES: usize = 4 << 10;
    let mut server = start().await;
    server.given_collection("books").await;
    let body = |bytes: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes));
    let message = |bytes: usize| pb::IngestDocumentsRequest {
        collection: collection_name("books"),
        writes: (0..4).map(|n| upsert(&format!("{n}"), &body(bytes / 4))).collect(),
        ..Default::default()
    };
    let (sender, messages) = mpsc::channel(1);
    let stream = server.documents.ingest_documents(ReceiverStream::new(messages)).await;
    let mut answers = stream.unwrap().into_inner();
    let largest = message(6 * MIB).encoded_len();
    for n in 0..COUNT {
        sender.send(message(if n == 1 { 6 * MIB } else { 5 * MIB })).await.unwrap();
        answers.message().await.unwrap().expect("an acknowledgement");
    }

    // Another one has what is left; compressed, so that it is told at once.
    let mut documents = server.documents.clone().send_compressed(CompressionEncoding::Gzip);
    let mut is_let_in = async |bytes: usize| {
        let message =
            pb::IngestDocumentsRequest { collection: String::new(), writes: sized(bytes).writes, ..Default::default() };
        let more = bytes - message.encoded_len();
        let collection = collection_name(&"n".repeat(more - collection_name("").len() - 2));
        let message = pb::IngestDocumentsRequest { collection, ..message };
        assert_eq!(message.encoded_len(), bytes);
        let mut answers = documents.ingest_documents(futures::stream::iter([message])).await.unwrap().into_inner();
        is_let_in(&answers.message().await.unwrap_err())
    };
    let rest = ALL - largest;
    assert!(is_let_in(rest - WRITES_BYTES).await);
    assert!(!is_let_in(rest + 1).await);
    drop(sender);
    assert!(answers.message().await.unwrap().is_none());
    eventually("there is room again", async || is_let_in(rest + 1).await).await;
    // Single calls have theirs.
    assert!(self::is_let_in(&write(&mut server, rest + 1).await));
    server.stop().await;
}
