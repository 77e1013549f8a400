//! Names: of the snapshot, and of the collection that it is taken of.

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, refused, refused_fields};

fn request(parent: &str, collection: &str) -> pb::CreateSnapshotRequest {
    pb::CreateSnapshotRequest {
        parent: parent.to_owned(),
        snapshot_id: "s".to_owned(),
        snapshot: Some(pb::Snapshot { collection: collection.to_owned(), ..Default::default() }),
        ..Default::default()
    }
}

#[apply(on_each_storage!)]
async fn the_collection_must_be_in_the_same_workspace() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.given_collection("books").await;
    let answer = server.snapshots.create_snapshot(request("workspaces/team", &collection_name("books"))).await;
    refused_fields(answer, &["snapshot.collection"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_workspace_must_exist() {
    let mut server = TestServer::start().await;
    let answer =
        server.snapshots.create_snapshot(request("workspaces/nobody", "workspaces/nobody/collections/books")).await;
    refused(answer, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_live_name_is_taken() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let block = server.block_pins();
    let requested = server.request_snapshot("books", "s").await.unwrap();
    refused(server.request_snapshot("books", "s").await, Code::AlreadyExists, "SNAPSHOT_EXISTS");
    block.lift();
    let created = server.watch_snapshot("s").await.pop().unwrap();
    assert_eq!(created.uid, requested.uid);
    refused(server.request_snapshot("books", "s").await, Code::AlreadyExists, "SNAPSHOT_EXISTS");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_has_never_been_is_not_found() {
    let mut server = TestServer::start().await;
    let name = format!("{COMMONS}/snapshots/s");
    refused(server.get_snapshot("s").await, Code::NotFound, "NOT_FOUND");
    refused(server.delete_snapshot("s").await, Code::NotFound, "NOT_FOUND");
    let update = pb::Snapshot { name: name.clone(), ..Default::default() };
    refused(server.update_snapshot(update, None).await, Code::NotFound, "NOT_FOUND");
    let watched = server.snapshots.watch_snapshot(pb::WatchSnapshotRequest { name }).await;
    refused(watched, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}
