//! Who does not answer is gone.

use std::time::Duration;

use stillframe::pb;

use super::{EMPTY, call, plain, raw::Raw};
use crate::support::{DEADLINE, TestServer, collection_name, eventually};

#[apply(on_directory!)]
async fn a_client_that_answers_no_pings_is_dropped_and_its_work_with_it() {
    let mut server = TestServer::start_with(|config| {
        config.transport.keepalive_interval = Duration::from_secs(1);
        // On a busy machine those that do answer take their time, too.
        config.transport.keepalive_timeout = Duration::from_secs(10);
        config.transport.max_connections = 2;
        config.tuning.scans_at_once = 1;
    })
    .await;
    server.given_collection(EMPTY).await;
    server.given_collection("c").await;
    server.given_bulk(64).await;
    let mut raw = Raw::connect(&server).await;
    let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let stream = raw.call("/stillframe.v1.DocumentService/StreamDocuments", &request, None).await;
    // From here on it is silent.
    assert!(server.is_scanning(EMPTY).await, "it waits for the client to read");
    eventually("its work has ended", async || !server.is_scanning(EMPTY).await).await;
    let place = plain(server.address).await;
    tokio::time::timeout(DEADLINE, call(&place)).await.expect("its place is free").unwrap();
    drop(stream);
    // However it is told.
    let _ = raw.ended().await;
    // The one that answered is still there.
    call(&server.channel).await.unwrap();
    server.stop().await;
}
