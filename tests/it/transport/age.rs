//! No connection lives for ever, and none is cut off.

use std::time::Duration;

use stillframe::{app::Config, pb};
use tonic::{Code, Status};

use super::{call, plain, raw::Raw};
use crate::support::{TestServer, collection_name, eventually};

const STREAM: &str = "/stillframe.v1.DocumentService/StreamDocuments";

/// A connection with a call that has begun. On a busy machine one may be old before,
/// and its client comes again.
async fn begun(server: &TestServer) -> (Raw, h2::RecvStream) {
    let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let mut found = None;
    eventually("a call begins", async || {
        let mut raw = Raw::connect(server).await;
        let (answer, _sent) = raw.begin(STREAM, Some(&request), None);
        let Ok(answer) = raw.drive(answer).await else { return false };
        assert!(Status::from_header_map(answer.headers()).is_none(), "{answer:?}");
        found = Some((raw, answer.into_body()));
        true
    })
    .await;
    found.unwrap()
}

#[apply(on_directory!)]
async fn an_old_connection_takes_no_new_calls_and_ends_its_old_ones() {
    let mut server = TestServer::with_collection().await;
    server.given_bulk(64).await;
    // From now on every call may come upon a connection that is old already.
    let age = |config: &mut Config| config.transport.max_connection_age = Duration::from_millis(500);
    let server = TestServer::reopen_with(server.stop().await, age).await.unwrap();
    let (mut raw, mut stream) = begun(&server).await;
    eventually("it is told to go", async || {
        assert!(futures::poll!(&mut raw.connection).is_pending(), "not cut off");
        match futures::poll!(std::pin::pin!(raw.client.clone().ready())) {
            std::task::Poll::Ready(Err(error)) => error.is_go_away() || panic!("{error:?}"),
            _ => false,
        }
    })
    .await;

    let (bytes, status) = raw.rest(&mut stream).await;
    assert_eq!(status.code(), Code::Ok);
    assert!(bytes > 64 * (64 << 10), "all of it came");
    drop(stream);
    raw.ended().await.expect("it ends with its last stream");
    eventually("newcomers are let in", async || call(&plain(server.address).await).await.is_ok()).await;
    server.stop().await;
}
