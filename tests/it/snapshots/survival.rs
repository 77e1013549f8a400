//! Nothing that becomes of the collection harms a snapshot (S4).

use stillframe::pb::{self, snapshot::State};

use crate::support::{COMMONS, TestServer, collection_name, eventually};

#[apply(on_each_storage!)]
async fn a_snapshot_outlives_its_collection() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    let created = server.given_snapshot("books", "s").await;
    server.delete_collection("books").await.unwrap();
    let mut server = TestServer::reopen(server.stop().await).await;
    let now = server.get_snapshot("s").await.unwrap();
    assert_eq!((now.state(), now.digest), (State::Created, created.digest));
    server.given_restore("s", "books").await;
    assert_eq!(server.scan("books").await, before);
    assert_ne!(server.collection("books").await.unwrap().uid, collection.uid);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_is_of_the_collection_that_had_the_name() {
    let mut server = TestServer::start().await;
    let first = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    server.given_snapshot("books", "s").await;
    server.delete_collection("books").await.unwrap();
    let second = server.given_collection("books").await;
    server.given_documents("books", 5, 2).await;

    let of_second = server.given_snapshot("books", "t").await;
    assert_eq!(of_second.collection_uid, second.uid);
    assert_eq!(of_second.incremental_bytes, of_second.size_bytes, "the first of another collection");
    assert_eq!(server.get_snapshot("s").await.unwrap().collection_uid, first.uid);
    server.given_restore("s", "again").await;
    assert_eq!(server.scan("again").await, before);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_that_was_requested_is_taken_although_the_collection_has_gone() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    server.delete_collection("books").await.unwrap();
    block.lift();
    let last = server.watch_snapshot("s").await.pop().unwrap();
    assert_eq!((last.state(), last.document_count), (State::Created, 100));
    server.given_restore("s", "again").await;
    assert_eq!(server.scan("again").await, before);
    server.delete_snapshot("s").await.unwrap();
    eventually("nothing stays", async || !server.has_files(&collection.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_that_was_requested_is_taken_after_a_restart() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    let dir = server.stop().await;
    block.lift();
    let mut server = TestServer::reopen(dir).await;
    let last = server.watch_snapshot("s").await.pop().unwrap();
    assert_eq!((last.state(), last.document_count), (State::Created, 100));
    assert_eq!(last.incremental_bytes, last.size_bytes);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_stop_among_many_requests_is_clean_and_loses_none() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let ids: Vec<String> = (0..40).map(|n| format!("s{n:02}")).collect();
    server.given_documents("books", 10, 1).await;
    let requests = ids.iter().map(|id| {
        let (mut client, snapshot_id) = (server.snapshots.clone(), id.clone());
        let snapshot = pb::Snapshot { collection: collection_name("books"), ..Default::default() };
        let parent = COMMONS.to_owned();
        let request = pb::CreateSnapshotRequest { parent, snapshot_id, snapshot: Some(snapshot), ..Default::default() };
        async move { client.create_snapshot(request).await }
    });
    assert!(futures::future::join_all(requests).await.iter().all(Result::is_ok));
    let mut server = TestServer::reopen(server.stop().await).await;
    for id in &ids {
        assert_eq!(server.watch_snapshot(id).await.pop().unwrap().state(), State::Created);
    }
    assert_eq!(server.snapshot_ids(false).await, ids);
    server.stop().await;
}
