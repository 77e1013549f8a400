//! The worker hears of what there is to do, and of which snapshot: between two sweeps, which
//! look at all, nothing waits.

use std::time::Duration;

use stillframe::pb::restore::State;

use crate::support::{TestServer, eventually};

#[apply(on_each_storage!)]
async fn what_is_to_be_done_does_not_wait_for_a_sweep() {
    let mut server = TestServer::start_with(|config| config.sweep_every = Duration::from_hours(1)).await;
    let source = server.given_collection("books").await;
    for round in 0..3 {
        server.given_documents("books", 50, round).await;
        let id = format!("s{round}");
        let created = server.given_snapshot("books", &id).await;
        let target = format!("r{round}");
        server.request_restore(&id, &target).await.unwrap();
        server.delete_snapshot(&id).await.unwrap();
        assert_eq!(server.ended_restore(&target).await.state(), State::Succeeded);
        // The restore holds it until it lets go, or the deletion finds nobody who does.
        let list = server.dir.path().join("storage/files").join(&created.uid);
        eventually("the snapshot is released", async || !list.exists()).await;
    }
    server.delete_collection("books").await.unwrap();
    eventually("nothing keeps the files", async || !server.has_files(&source.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_collection_does_not_wait_for_a_sweep() {
    let mut server = TestServer::start_with(|config| config.sweep_every = Duration::from_hours(1)).await;
    let source = server.given_collection("books").await;
    server.given_collection("films").await;
    for id in ["a", "b", "c"] {
        server.given_documents("books", 50, 0).await;
        server.given_snapshot("books", id).await;
    }
    server.delete_snapshot("b").await.unwrap();
    server.delete_collection("books").await.unwrap();
    // What happens elsewhere is nothing to it.
    server.given_snapshot("films", "d").await;
    server.request_restore("a", "again").await.unwrap();
    server.delete_snapshot("a").await.unwrap();
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    assert!(server.has_files(&source.uid), "one stands on them");
    server.delete_snapshot("c").await.unwrap();
    eventually("nothing keeps the files", async || !server.has_files(&source.uid)).await;
    server.stop().await;
}
