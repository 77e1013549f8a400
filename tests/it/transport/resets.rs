//! Calls that are cancelled or time out in crowds: they are nothing to the other calls of their
//! connection, while a connection that does nothing else is closed, and fills nothing.

use std::{iter::StepBy, ops::RangeFrom};

use futures::poll;
use stillframe::pb;
use tokio::io::AsyncWriteExt;
use tonic_health::pb::HealthCheckRequest;

use super::{
    frames::{
        Came, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, RST_STREAM, WINDOW_UPDATE, Wire,
        frame, grpc_request, request,
    },
    raw::{self, Raw},
};
use crate::{
    recovery::child::Child,
    support::{COMMONS, DEADLINE, TestServer, rounds, upsert},
};

/// Nearly as many as a connection may have at once.
const CALLS: usize = 1000;
const LIST: &str = "/stillframe.v1.CollectionService/ListCollections";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const INGEST: &str = "/stillframe.v1.DocumentService/IngestDocuments";

#[apply(on_directory!)]
async fn crowds_that_are_given_up_harm_no_other_on_their_connection() {
    let server = TestServer::start().await;
    let mut raw = Raw::connect(&server).await;
    let mut watch = raw.call("/grpc.health.v1.Health/Watch", &HealthCheckRequest::default(), None).await;
    let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
    for round in 0..rounds(10, 100) {
        // Clients take back a call whose time is up, too, which the server may have ended.
        let timeout = (round % 2 == 1).then_some("1m");
        let calls: Vec<_> = (0..CALLS).map(|_| raw.begin(LIST, Some(&request), timeout)).collect();
        // What begins them is on its way before they are taken back.
        assert!(poll!(&mut raw.connection).is_pending());
        drop(calls);
        let (answer, _) = raw.begin(LIST, Some(&request), None);
        let (_, status) = raw.whole(answer).await;
        assert_eq!(status.code(), tonic::Code::Ok, "round {round}: {status:?}");
    }
    raw.drive(watch.data()).await.expect("it serves").unwrap();
    assert!(poll!(std::pin::pin!(watch.data())).is_pending(), "the watch has ended");
    drop((watch, raw));
    server.stop().await;
}

/// A server that does nothing for a while finds them all at once.
#[apply(on_directory!)]
async fn calls_that_were_cancelled_while_the_server_stalled_are_no_flood() {
    let server = TestServer::start().await;
    let mut wire = Wire::connect(&server).await;
    let mut streams = (1..).step_by(2);
    for round in 0..3 {
        let cancelled = streams.by_ref().take(8 * CALLS).flat_map(|stream| opened_and_reset(stream, &request(CHECK)));
        let mut bytes: Vec<u8> = cancelled.collect();
        let stream = streams.next().unwrap();
        bytes.extend(frame(HEADERS, END_HEADERS, stream, &grpc_request(CHECK)));
        bytes.extend(frame(DATA, END_STREAM, stream, &raw::frame(0, &[])));
        wire.writes.write_all(&bytes).await.unwrap();
        let answered = async {
            while let Some(Came { kind, stream: of, payload }) = wire.next().await {
                assert_ne!(kind, GOAWAY, "round {round}: {}", String::from_utf8_lossy(&payload));
                if kind == DATA && of == stream {
                    return;
                }
            }
            panic!("round {round}: the connection is gone");
        };
        tokio::time::timeout(DEADLINE, answered).await.expect("an answer");
    }
    server.stop().await;
}

/// Opens a stream and resets it at once.
fn opened_and_reset(stream: u32, request: &[u8]) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, request), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
}

/// As many of those as a connection takes.
fn resets() -> impl FnMut() -> Vec<u8> {
    let mut streams: StepBy<RangeFrom<u32>> = (1..).step_by(2);
    // POST, http and `/`.
    move || streams.by_ref().take(10_000).flat_map(|stream| opened_and_reset(stream, &[0x83, 0x86, 0x84])).collect()
}

#[apply(on_directory!)]
async fn a_flood_of_resets_ends_its_connection() {
    let server = TestServer::start().await;
    let told = Wire::connect(&server).await.flood(resets()).await;
    assert!(matches!(told, Some(ENHANCE_YOUR_CALM) | None), "{told:?}");
    server.stop().await;
}

/// Streams that the client makes us reset are as dear as those that it resets.
#[apply(on_directory!)]
async fn a_flood_of_errors_ends_its_connection() {
    let server = TestServer::start_with(|config| config.transport.max_streams = 1).await;
    let errors = |more: fn(u32) -> Vec<u8>| {
        let mut streams: StepBy<RangeFrom<u32>> = (1..).step_by(2);
        move || -> Vec<u8> {
            let streams = streams.by_ref().take(1000);
            streams
                .flat_map(|stream| [frame(HEADERS, END_HEADERS, stream, &[0x83, 0x86, 0x84]), more(stream)].concat())
                .collect()
        }
    };
    for (what, more) in [
        (
            "a window beyond all bounds",
            (|stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])) as fn(u32) -> _,
        ),
        ("a stream that depends on itself", |stream| frame(2, 0, stream, &[&stream.to_be_bytes()[..], &[0]].concat())),
        ("more streams than there may be", |_| Vec::new()),
    ] {
        let told = Wire::connect(&server).await.flood(errors(more)).await;
        assert!(matches!(told, Some(ENHANCE_YOUR_CALM) | None), "{what}: {told:?}");
    }
    server.stop().await;
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Whoever comes back after each end finds no more room than before.
#[apply(on_directory!)]
async fn floods_one_after_another_fill_no_memory() {
    let mut child = Child::start(tempfile::tempdir().unwrap()).await;
    let flood = async |count: u32| {
        for _ in 0..count {
            Wire::connect(&child.client).await.flood(resets()).await;
        }
    };
    flood(2).await;
    let before = resident_bytes(child.pid());
    flood(rounds(3, 100)).await;
    let after = resident_bytes(child.pid());
    assert!(after < before + (48 << 20), "{before} bytes before, {after} after");
    child.client.given_collection("books").await;
    child.terminated().await;
}

/// Each document in a message of its own, none waiting for the one before.
#[apply(on_directory!)]
async fn a_crowd_of_small_messages_on_one_stream_is_no_flood() {
    let mut server = TestServer::start().await;
    let name = server.given_collection("books").await.name;
    let mut raw = Raw::connect(&server).await;
    let (answer, mut sent) = raw.begin::<pb::IngestDocumentsRequest>(INGEST, None, None);
    let count = usize::try_from(rounds(25_000, 60_000)).unwrap();
    for n in 0..count {
        let collection = if n == 0 { name.clone() } else { String::new() };
        let writes = vec![upsert(&n.to_string(), "{}")];
        let message = pb::IngestDocumentsRequest { collection, writes, ..Default::default() };
        sent.send_data(raw::frame(0, &prost::Message::encode_to_vec(&message)).into(), n == count - 1).unwrap();
    }
    let (_, status) = raw.whole(answer).await;
    assert_eq!(status.code(), tonic::Code::Ok, "{status:?}");
    assert_eq!(server.stats("books").await.document_count, i64::try_from(count).unwrap());
    drop(raw);
    server.stop().await;
}
