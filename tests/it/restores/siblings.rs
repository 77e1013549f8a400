//! A restore costs the same, however many snapshots its collection has, and holds the one
//! that it is of.

use stillframe::pb::restore::{State, Verification};

use crate::{
    snapshots::siblings::{given_siblings, quiet},
    support::{TestServer, eventually, restore_request},
};

async fn restored(server: &mut TestServer, id: &str) {
    let mut request = restore_request("first", id);
    request.restore.as_mut().unwrap().verification = Verification::Structure.into();
    server.create_restore(request).await.unwrap();
    assert_eq!(server.ended_restore(id).await.state(), State::Succeeded);
}

#[apply(on_s3!)]
async fn a_restore_is_as_many_requests_behind_many_as_behind_few() {
    let mut server = TestServer::start_with(quiet).await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "first").await;
    let before = server.scan("books").await;
    let mut counts = Vec::new();
    let mut next = 0;
    for siblings in [2, 40] {
        given_siblings(&mut server, next..siblings).await;
        next = siblings;
        let id = format!("behind-{siblings}");
        server.loopback.as_ref().unwrap().take_requests();
        restored(&mut server, &id).await;
        let requests = server.loopback.as_ref().unwrap().take_requests();
        counts.push((requests["PUT manifest"], requests.values().sum::<u64>()));
        assert_eq!(server.scan(&id).await, before);
    }
    let [(puts, few), (same_puts, many)] = counts[..] else { panic!("{counts:?}") };
    assert_eq!(puts, same_puts, "manifests");
    assert!(many <= few + few / 4, "{counts:?}");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_snapshot_goes_when_its_last_restore_has_ended() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let documents = server.scan("books").await;
    let first = server.given_snapshot("books", "first").await;
    let manifest = server.dir.path().join("storage/manifests").join(&first.uid);
    let block = server.block_copies();
    server.request_restore("first", "again").await.unwrap();
    server.running_restore("again").await;
    server.delete_snapshot("first").await.unwrap();
    server.delete_collection("books").await.unwrap();
    // The server that goes on with it knows it only from the records.
    let mut server = TestServer::reopen(server.stop().await).await;
    assert!(manifest.exists() && server.has_files(&books.uid));
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    assert_eq!(server.scan("again").await, documents);
    eventually("the snapshot is given back", async || !manifest.exists()).await;
    eventually("so is its collection", async || !server.has_files(&books.uid)).await;
    server.stop().await;
}
