//! A snapshot restored into another workspace.

use stillframe::pb::{self, workspace::SnapshotPreview};
use tonic::{Code, Status};

use crate::support::{COMMONS, TestServer, refused, refused_fields, snapshot_name};

const TEAM: &str = "workspaces/team";

fn request(id: &str) -> pb::CreateRestoreRequest {
    pb::CreateRestoreRequest {
        parent: TEAM.to_owned(),
        restore_id: id.to_owned(),
        restore: Some(pb::Restore {
            snapshot: snapshot_name("monday"),
            collection: format!("{TEAM}/collections/{id}"),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn given_snapshot_and_team() -> TestServer {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    server
}

async fn set_gates(server: &mut TestServer, workspace: &str, gates: pb::Workspace) {
    server.update_workspace(pb::Workspace { name: workspace.to_owned(), ..gates }, None).await.unwrap();
}

async fn outcome(server: &mut TestServer, id: &str) -> Result<pb::RestoreProgress, Status> {
    server.create_restore(request(id)).await?;
    let name = format!("{TEAM}/restores/{id}");
    let stream = server.restores.watch_restore(pb::WatchRestoreRequest { name }).await?.into_inner();
    Ok(crate::support::collect(stream).await?.pop().unwrap())
}

#[apply(on_each_storage!)]
async fn the_collection_appears_in_the_workspace_of_the_restore() {
    let mut server = given_snapshot_and_team().await;
    assert_eq!(outcome(&mut server, "books").await.unwrap().state(), pb::restore::State::Succeeded);
    let name = format!("{TEAM}/collections/books");
    let made = server.collections.get_collection(pb::GetCollectionRequest { name }).await.unwrap().into_inner();
    assert_eq!(made.stats.unwrap().digest, server.stats("books").await.digest);
    assert_eq!(made.restore_info.unwrap().source_collection, format!("{COMMONS}/collections/books"));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_gates_of_the_target_count() {
    let mut server = given_snapshot_and_team().await;
    let disabled = pb::Workspace { snapshot_preview: SnapshotPreview::Disabled.into(), ..Default::default() };
    set_gates(&mut server, COMMONS, disabled.clone()).await;
    set_gates(&mut server, COMMONS, pb::Workspace { max_restore_bytes: Some(1), ..Default::default() }).await;
    assert_eq!(outcome(&mut server, "r1").await.unwrap().state(), pb::restore::State::Succeeded);

    set_gates(&mut server, TEAM, pb::Workspace { max_restore_bytes: Some(1), ..Default::default() }).await;
    refused(outcome(&mut server, "r2").await, Code::FailedPrecondition, "RESTORE_TOO_LARGE");
    set_gates(&mut server, TEAM, disabled).await;
    refused(outcome(&mut server, "r2").await, Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_collection_cannot_be_in_a_third_workspace() {
    let mut server = given_snapshot_and_team().await;
    let request = pb::CreateRestoreRequest { parent: COMMONS.to_owned(), ..request("r1") };
    refused_fields(server.create_restore(request).await, &["restore.collection"]);
    server.stop().await;
}
