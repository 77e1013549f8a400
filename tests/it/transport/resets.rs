//! Calls that are cancelled or time out in crowds: they are nothing to the other calls of their
//! connection, while a connection that does nothing else is closed.

use futures::poll;
use stillframe::pb;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic_health::pb::HealthCheckRequest;

use super::raw::Raw;
use crate::support::{COMMONS, DEADLINE, TestServer, rounds};

/// Nearly as many as a connection may have at once.
const CALLS: usize = 1000;
const LIST: &str = "/stillframe.v1.CollectionService/ListCollections";

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

/// Frames of HTTP/2 that open a stream and reset it at once.
fn opened_and_reset(stream: u32) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    // POST, http and `/`, as HPACK's static table has them; the end of headers and of all.
    [frame(1, 0x4 | 0x1, &[0x83, 0x86, 0x84]), frame(3, 0, &8_u32.to_be_bytes())].concat()
}

/// The error of the GOAWAY that a server ends with.
async fn told_to_go_away(mut socket: impl AsyncReadExt + Unpin) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        socket.read_exact(&mut payload).await.ok()?;
        if head[3] == 7 {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}

#[apply(on_directory!)]
async fn a_flood_of_resets_ends_its_connection() {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let server = TestServer::start().await;
    let (reads, mut writes) = TcpStream::connect(server.address).await.unwrap().into_split();
    writes.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let flood = async {
        let mut streams = (1..).step_by(2);
        loop {
            let frames: Vec<u8> = streams.by_ref().take(10_000).flat_map(opened_and_reset).collect();
            if writes.write_all(&frames).await.is_err() {
                // It reads no more.
                std::future::pending::<()>().await;
            }
        }
    };
    let gone = tokio::time::timeout(DEADLINE, async {
        tokio::select! {
            told = told_to_go_away(reads) => told,
            () = flood => unreachable!(),
        }
    });
    // If it is cut off before we have read that, it is cut off.
    assert!(matches!(gone.await.expect("in time"), Some(ENHANCE_YOUR_CALM) | None));
    server.stop().await;
}
