//! A restore goes on after a restart (R5, W1).

use stillframe::pb::restore::State;

use crate::support::{Block, TestServer, eventually};

async fn goes_on_after_a_restart(block: impl FnOnce(&TestServer) -> Block, until: State) {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    server.given_snapshot("books", "monday").await;
    let block = block(&server);
    let requested = server.request_restore("monday", "again").await.unwrap();
    eventually("it got so far", async || server.get_restore("again").await.unwrap().state() == until).await;
    let dir = server.stop().await;
    block.lift();
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    assert_eq!(server.get_restore("again").await.unwrap().uid, requested.uid);
    assert_eq!(server.scan("again").await, before);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_pending_restore_goes_on() {
    goes_on_after_a_restart(TestServer::block_pins, State::Pending).await;
}

#[apply(on_each_storage!)]
async fn a_running_restore_goes_on() {
    goes_on_after_a_restart(TestServer::block_copies, State::Running).await;
}
