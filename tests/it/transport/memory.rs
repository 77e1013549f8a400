//! What requests may hold in memory together.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::SendStream;
use http::Request;
use prost::Message;
use stillframe::pb;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use super::{call, raw::Raw};
use crate::support::{TestServer, collection_name, eventually, reason, refused, upsert};

const MIB: usize = 1 << 20;
/// The least that can be configured; large requests have seven eighths of it.
const ALL: usize = 16 * MIB;
const LARGE: usize = 14 * MIB;
const LONGEST: usize = 12 * MIB;
/// What is announced to take up room, and what that leaves.
const MUCH: usize = 11 * MIB;
const REST: usize = LARGE - MUCH;

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";
const INGEST: &str = "/stillframe.v1.DocumentService/IngestDocuments";

async fn start() -> TestServer {
    TestServer::start_with(|config| config.transport.request_memory_bytes = ALL).await
}

/// Says how long its message is, and does not send it.
fn announce(client: &mut Raw, path: &str, bytes: usize, encoding: Option<&'static str>) -> SendStream<Bytes> {
    let mut request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let (_answer, mut sent) = client.client.send_request(request.body(()).unwrap(), false).unwrap();
    let mut prefix = BytesMut::new();
    prefix.put_u8(encoding.is_some().into());
    prefix.put_u32(u32::try_from(bytes).unwrap());
    sent.send_data(prefix.freeze(), false).unwrap();
    sent
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

async fn is_let_in(server: &mut TestServer, bytes: usize) -> bool {
    let status = write(server, bytes).await;
    let reason = reason(&status);
    assert!(["NOT_FOUND", "BATCH_TOO_LARGE", "RESOURCE_BUSY"].contains(&reason.as_str()), "{status:?}");
    reason != "RESOURCE_BUSY"
}

/// The client's bytes arrive, sooner or later.
async fn until(client: &mut Raw, server: &mut TestServer, bytes: usize, let_in: bool) {
    let what = format!("{bytes} are let in: {let_in}");
    client.drive(eventually(&what, async || is_let_in(server, bytes).await == let_in)).await;
}

#[tokio::test]
async fn an_announced_message_counts_until_its_call_ends() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    assert!(is_let_in(&mut server, REST + 1).await);
    let mut sent = announce(&mut client, WRITE, MUCH, None);
    until(&mut client, &mut server, REST + 1, false).await;

    assert!(is_let_in(&mut server, REST).await);
    let status = write(&mut server, REST + 1).await;
    let status = refused::<()>(Err(status), Code::ResourceExhausted, "RESOURCE_BUSY");
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    assert_eq!(status.get_details_error_info().unwrap().metadata["limit"], LARGE.to_string());

    sent.send_reset(h2::Reason::CANCEL);
    until(&mut client, &mut server, REST + 1, true).await;
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn small_requests_and_health_have_room_of_their_own() {
    const SMALL: usize = 64 << 10;
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let mut sent = [announce(&mut client, WRITE, MUCH, None), announce(&mut client, WRITE, REST, None)];
    until(&mut client, &mut server, SMALL + 1, false).await;
    assert!(is_let_in(&mut server, SMALL).await);
    call(&server.channel).await.unwrap();

    let rest = (ALL - LARGE) / SMALL;
    let small: Vec<_> = (0..rest).map(|_| announce(&mut client, WRITE, SMALL, None)).collect();
    until(&mut client, &mut server, 100, false).await;
    let mut health = HealthClient::new(server.channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();

    sent.iter_mut().chain(&mut { small }).for_each(|sent| sent.send_reset(h2::Reason::CANCEL));
    until(&mut client, &mut server, REST, true).await;
    drop(client);
    server.stop().await;
}

/// How large it is can be told only when it has been unpacked.
#[tokio::test]
async fn a_compressed_message_counts_as_the_longest() {
    // To the byte not every size can be had here.
    const BELOW: usize = LARGE - LONGEST - 100;
    const ABOVE: usize = LARGE - LONGEST + 100;
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let mut sent = announce(&mut client, WRITE, 10, Some("gzip"));
    until(&mut client, &mut server, ABOVE, false).await;
    assert!(is_let_in(&mut server, BELOW).await);
    sent.send_reset(h2::Reason::CANCEL);
    until(&mut client, &mut server, ABOVE, true).await;
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_for_that() {
    let mut server = start().await;
    let mut client = Raw::connect(&server).await;
    let _sent = announce(&mut client, WRITE, MUCH, None);
    until(&mut client, &mut server, LONGEST, false).await;
    refused::<()>(Err(write(&mut server, LONGEST + 1).await), Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    drop(client);
    server.stop().await;
}

/// All of them together are more than there is.
#[tokio::test]
async fn a_message_of_a_stream_counts_until_the_next() {
    const COUNT: usize = 6;
    let mut server = start().await;
    server.given_collection("books").await;
    let body = format!(r#"{{"x":"{}"}}"#, "x".repeat(3 * MIB / 2));
    let messages = (0..COUNT).map(move |n| pb::IngestDocumentsRequest {
        collection: collection_name("books"),
        writes: (0..4).map(|m| upsert(&format!("{n}-{m}"), &body)).collect(),
        ..Default::default()
    });
    let mut answers = server.documents.ingest_documents(futures::stream::iter(messages)).await.unwrap().into_inner();
    let mut acknowledged = 0;
    while answers.message().await.unwrap().is_some() {
        acknowledged += 1;
    }
    assert_eq!(acknowledged, COUNT);

    let mut client = Raw::connect(&server).await;
    let mut sent = announce(&mut client, INGEST, MUCH, None);
    until(&mut client, &mut server, REST + 1, false).await;
    sent.send_reset(h2::Reason::CANCEL);
    until(&mut client, &mut server, REST + 1, true).await;
    drop(client);
    server.stop().await;
}
