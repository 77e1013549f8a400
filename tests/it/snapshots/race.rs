//! Requests that meet.

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, eventually, has_files, reason, snapshot_name};

#[apply(on_each_storage!)]
async fn of_two_snapshots_with_one_id_one_wins() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for n in 0..10 {
        let request = || pb::CreateSnapshotRequest {
            parent: COMMONS.to_owned(),
            snapshot_id: format!("s{n}"),
            snapshot: Some(pb::Snapshot { collection: collection_name("books"), ..Default::default() }),
            ..Default::default()
        };
        let (mut one, mut two) = (server.snapshots.clone(), server.snapshots.clone());
        let (one, two) = tokio::join!(one.create_snapshot(request()), two.create_snapshot(request()));
        let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
        let (won, lost) = (won.unwrap().into_inner(), lost.unwrap_err());
        assert_eq!((lost.code(), reason(&lost).as_str()), (Code::AlreadyExists, "SNAPSHOT_EXISTS"));
        assert_eq!(server.watch_snapshot(&format!("s{n}")).await.pop().unwrap().uid, won.uid);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn updates_of_the_collection_do_not_get_in_the_way() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    for n in 0..30 {
        let change = pb::Collection { description: n.to_string(), etag: String::new(), ..collection.clone() };
        let request = pb::UpdateCollectionRequest { collection: Some(change), update_mask: None };
        let mut collections = server.collections.clone();
        let id = format!("s{n}");
        let (updated, requested) =
            tokio::join!(collections.update_collection(request), server.request_snapshot("books", &id));
        updated.unwrap();
        requested.unwrap();
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_is_readable_while_its_neighbours_go() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.given_snapshot("books", "kept").await;
    let mut client = server.snapshots.clone();
    let reads = async {
        loop {
            let request = pb::GetSnapshotRequest { name: snapshot_name("kept") };
            client.get_snapshot(request).await.unwrap();
        }
    };
    let neighbours = async {
        for n in 0..30 {
            let id = format!("s{n}");
            server.given_snapshot("books", &id).await;
            server.delete_snapshot(&id).await.unwrap();
        }
    };
    tokio::select! {
        () = neighbours => {}
        () = reads => {}
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_that_goes_with_its_snapshots_leaves_nothing() {
    let mut server = TestServer::start().await;
    for n in 0..15 {
        let id = format!("c{n}");
        server.given_collection(&id).await;
        server.given_documents(&id, 10, 1).await;
        server.given_snapshot(&id, &id).await;
        server.given_restore(&id, &format!("r{n}")).await;
        let (mut collections, name) = (server.collections.clone(), collection_name(&id));
        let request = pb::DeleteCollectionRequest { name, ..Default::default() };
        let (one, two) = tokio::join!(collections.delete_collection(request), server.delete_snapshot(&id));
        one.unwrap();
        two.unwrap();
        server.delete_collection(&format!("r{n}")).await.unwrap();
    }
    let directories = server.dir.path().join("storage/collections");
    eventually("everything goes", async || !has_files(&directories)).await;
    // What a worker brings back after that is there once all work has ended.
    let _dir = server.stop().await;
    assert!(!has_files(&directories));
}
