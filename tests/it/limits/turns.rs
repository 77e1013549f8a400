//! How much is at work at once. That of scans is in `documents::stream_ends`.

use stillframe::pb::restore::State;

use crate::support::TestServer;

#[tokio::test]
async fn two_restores_are_at_work_and_the_third_waits() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    for id in ["a", "b"] {
        server.request_restore("monday", id).await.unwrap();
        server.running_restore(id).await;
    }
    server.request_restore("monday", "c").await.unwrap();
    // The workers go through their records meanwhile.
    server.given_snapshot("books", "tuesday").await;
    assert_eq!(server.get_restore("c").await.unwrap().state(), State::Pending);
    block.lift();
    for id in ["a", "b", "c"] {
        assert_eq!(server.ended_restore(id).await.state(), State::Succeeded, "{id}");
    }
    server.stop().await;
}
