//! A workspace goes only when nothing is left in it.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, eventually, refused};

const TEAM: &str = "workspaces/team";

async fn snapshot_of_team(server: &mut TestServer, id: &str) {
    let snapshot = pb::Snapshot { collection: format!("{TEAM}/collections/books"), ..Default::default() };
    let request = pb::CreateSnapshotRequest {
        parent: TEAM.to_owned(),
        snapshot_id: id.to_owned(),
        snapshot: Some(snapshot),
        ..Default::default()
    };
    server.snapshots.create_snapshot(request).await.unwrap();
}

#[apply(on_each_storage!)]
async fn a_collection_keeps_its_workspace() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.create_collection(TEAM, "books").await.unwrap();
    refused(server.delete_workspace("team").await, Code::FailedPrecondition, "WORKSPACE_NOT_EMPTY");
    let request = pb::DeleteCollectionRequest { name: format!("{TEAM}/collections/books"), ..Default::default() };
    server.collections.delete_collection(request).await.unwrap();
    server.delete_workspace("team").await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_keeps_its_workspace_but_its_tombstone_does_not() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.create_collection(TEAM, "books").await.unwrap();
    snapshot_of_team(&mut server, "monday").await;
    let request = pb::DeleteCollectionRequest { name: format!("{TEAM}/collections/books"), ..Default::default() };
    server.collections.delete_collection(request).await.unwrap();
    refused(server.delete_workspace("team").await, Code::FailedPrecondition, "WORKSPACE_NOT_EMPTY");
    let request = pb::DeleteSnapshotRequest { name: format!("{TEAM}/snapshots/monday"), ..Default::default() };
    server.snapshots.delete_snapshot(request).await.unwrap();
    server.delete_workspace("team").await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_running_restore_keeps_its_workspace() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    let restore = pb::Restore {
        snapshot: crate::support::snapshot_name("monday"),
        collection: format!("{TEAM}/collections/again"),
        ..Default::default()
    };
    let request = pb::CreateRestoreRequest {
        parent: TEAM.to_owned(),
        restore_id: "r".to_owned(),
        restore: Some(restore),
        ..Default::default()
    };
    server.create_restore(request).await.unwrap();
    refused(server.delete_workspace("team").await, Code::FailedPrecondition, "WORKSPACE_NOT_EMPTY");

    let request = pb::CancelRestoreRequest { name: format!("{TEAM}/restores/r") };
    server.restores.cancel_restore(request).await.unwrap();
    block.lift();
    eventually("the cancelled restore lets go", async || server.delete_workspace("team").await.is_ok()).await;
    server.stop().await;
}
