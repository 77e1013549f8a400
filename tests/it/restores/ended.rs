//! Ended restores are kept for 30 days.

use stillframe::pb::restore::State;
use tonic::Code;

use crate::support::{DAY, EDGE, TestServer, almost, eventually, refused};

#[apply(on_each_storage!)]
async fn an_ended_restore_is_forgotten_after_thirty_days_and_its_collection_stays() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.given_snapshot("books", "monday").await;
    let ended = server.given_restore("monday", "again").await;
    server.clock.advance(almost(30 * DAY));
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.get_restore("again").await.unwrap(), ended);

    server.clock.advance(30 * DAY);
    eventually("it is forgotten", async || server.get_restore("again").await.is_err()).await;
    refused(server.get_restore("again").await, Code::NotFound, "NOT_FOUND");
    assert_eq!(server.stats("again").await.document_count, 10);
    server.given_snapshot("books", "tuesday").await;
    server.delete_collection("again").await.unwrap();
    server.given_restore("tuesday", "again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_cancelled_one_is_kept_as_long() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.cancel_restore("again").await.unwrap();
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Cancelled);
    server.clock.advance(almost(30 * DAY));
    assert_eq!(server.get_restore("again").await.unwrap().state(), State::Cancelled);
    server.clock.advance(EDGE);
    eventually("it is forgotten", async || server.get_restore("again").await.is_err()).await;
    server.stop().await;
}
