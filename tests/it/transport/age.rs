//! No connection lives for ever, and none is cut off.

use std::time::Duration;

use stillframe::pb;
use tonic::Code;

use super::{call, plain, raw::Raw};
use crate::support::{TestServer, collection_name, eventually};

const STREAM: &str = "/stillframe.v1.DocumentService/StreamDocuments";

#[tokio::test]
async fn an_old_connection_takes_no_new_calls_and_ends_its_old_ones() {
    let age = Duration::from_millis(500);
    let mut server = TestServer::start_with(|config| config.transport.max_connection_age = age).await;
    server.given_collection("c").await;
    server.given_bulk(64).await;
    let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let mut raw = Raw::connect(&server).await;
    let mut stream = raw.call(STREAM, &request, None).await;
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
    call(&plain(server.address).await).await.unwrap();
    server.stop().await;
}
