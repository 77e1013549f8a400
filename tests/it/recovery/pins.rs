//! A restore holds its source only while it runs.

use stillframe::pb;

use super::{
    super::support::{TestServer, collection_name, restore_name, rounds, snapshot_name},
    invariants::{check, check_held, contents},
};

#[apply(on_directory!)]
async fn an_ended_restore_leaves_no_checkpoint_on_its_source() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 200, 1).await;
    let monday = server.given_snapshot("books", "monday").await;
    for id in ["a", "b", "c", "d"] {
        server.request_restore("monday", id).await.unwrap();
    }
    for id in ["a", "d"] {
        // Whether it comes in time or not.
        let _ = server.restores.cancel_restore(pb::CancelRestoreRequest { name: restore_name(id) }).await;
    }
    check(&mut server).await;
    check_held(&server, &books.uid, &[monday.uid].into()).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_restore_outlives_its_snapshot_and_its_source() {
    for round in 0..rounds(1, 5) {
        let mut server = TestServer::start().await;
        let books = server.given_collection("books").await;
        server.given_documents("books", 200, 1).await;
        server.given_snapshot("books", "monday").await;
        let before = contents(&mut server, "books").await;
        server.request_restore("monday", "again").await.unwrap();
        let request = pb::DeleteCollectionRequest { name: collection_name("books"), ..Default::default() };
        server.collections.delete_collection(request).await.unwrap();
        let request = pb::DeleteSnapshotRequest { name: snapshot_name("monday"), ..Default::default() };
        server.snapshots.delete_snapshot(request).await.unwrap();
        check(&mut server).await;
        assert_eq!(server.get_restore("again").await.unwrap().state(), pb::restore::State::Succeeded, "{round}");
        assert_eq!(contents(&mut server, "again").await, before);
        assert!(!server.has_files(&books.uid), "{round}");
        server.stop().await;
    }
}
