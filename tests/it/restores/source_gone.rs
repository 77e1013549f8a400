//! A restore that is under way holds what it is of (R2).

use stillframe::pb::{restore::State, snapshot};

use crate::support::{DAY, TestServer, eventually, has_files};

/// Everything that the restore came from is gone, files and all.
async fn assert_source_gives_way(server: &mut TestServer, source_uid: &str) {
    eventually("the source goes", async || !server.has_files(source_uid)).await;
}

#[apply(on_each_storage!)]
async fn snapshot_and_source_may_go_right_after_the_request() {
    let mut server = TestServer::start().await;
    for n in 0..6 {
        let (source, snapshot, target) = (format!("c{n}"), format!("s{n}"), format!("r{n}"));
        let created = server.given_collection(&source).await;
        server.given_documents(&source, 100, n).await;
        let before = server.scan(&source).await;
        server.given_snapshot(&source, &snapshot).await;
        server.request_restore(&snapshot, &target).await.unwrap();
        if n % 2 == 0 {
            server.delete_snapshot(&snapshot).await.unwrap();
            server.delete_collection(&source).await.unwrap();
        } else {
            server.delete_collection(&source).await.unwrap();
            server.clock.advance(8 * DAY);
        }
        assert_eq!(server.ended_restore(&target).await.state(), State::Succeeded);
        assert_eq!(server.scan(&target).await, before);
        assert_source_gives_way(&mut server, &created.uid).await;
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_pending_restore_keeps_a_deleted_snapshot() {
    let mut server = TestServer::start().await;
    let source = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    server.given_snapshot("books", "monday").await;
    server.given_documents("books", 100, 2).await;
    let block = server.block_pins();
    server.request_restore("monday", "again").await.unwrap();
    server.delete_snapshot("monday").await.unwrap();
    server.delete_collection("books").await.unwrap();
    assert_eq!(server.get_restore("again").await.unwrap().state(), State::Pending);
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    assert_eq!(server.scan("again").await, before);
    assert_source_gives_way(&mut server, &source.uid).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_running_restore_keeps_its_files_while_its_snapshot_expires() {
    let mut server = TestServer::start().await;
    let source = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    server.clock.advance(8 * DAY);
    server.delete_collection("books").await.unwrap();
    eventually("the snapshot has expired", async || {
        server.get_snapshot("monday").await.unwrap().state() == snapshot::State::Expired
    })
    .await;
    let manifests = server.dir.path().join("storage/manifests");
    assert!(has_files(&manifests), "its data stays");
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    assert_eq!(server.scan("again").await, before);
    assert_source_gives_way(&mut server, &source.uid).await;
    server.stop().await;
}
