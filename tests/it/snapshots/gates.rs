//! The gates of the workspace: the preview, and snapshots per minute.

use std::time::Instant;

use stillframe::pb::{self, workspace::SnapshotPreview};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{COMMONS, EDGE, MINUTE, TestServer, refused};

#[apply(on_each_storage!)]
async fn a_disabled_preview_says_what_the_operator_can_do() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_preview = false).await;
    server.given_collection("books").await;
    let status = server.request_snapshot("books", "s").await;
    let status = refused(status, Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED");
    let details = status.get_error_details();
    assert!(status.message().contains("UpdateWorkspace with snapshot_preview"), "{status:?}");
    assert_eq!(details.precondition_failure().unwrap().violations[0].subject, COMMONS);
    assert_eq!(details.error_info().unwrap().metadata["resource"], COMMONS);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_exists_stays_usable_when_the_preview_ends() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s").await;
    let disabled = SnapshotPreview::Disabled.into();
    server.given_gates(pb::Workspace { snapshot_preview: disabled, ..Default::default() }).await;
    assert_eq!(server.snapshot_ids(false).await, ["s"]);
    let answer = server.request_restore("s", "again").await;
    refused(answer, Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED");
    server.delete_snapshot("s").await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_rate_that_is_used_up_is_free_again_after_a_minute() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_creates_per_minute = 2).await;
    server.given_collection("books").await;
    // None of them is waited for: half a minute later there would be a place.
    let began = Instant::now();
    server.request_snapshot("books", "s1").await.unwrap();
    server.clock.advance(MINUTE / 2);
    server.request_snapshot("books", "s2").await.unwrap();
    let status = refused(server.request_snapshot("books", "s3").await, Code::ResourceExhausted, "RATE_LIMITED");
    let details = status.get_error_details();
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(wait <= MINUTE / 2 && wait + began.elapsed() >= MINUTE / 2, "{wait:?}");
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, COMMONS);

    server.clock.advance(wait);
    server.request_snapshot("books", "s3").await.unwrap();
    refused(server.request_snapshot("books", "s4").await, Code::ResourceExhausted, "RATE_LIMITED");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restart_does_not_refill_the_rate() {
    let limit = |config: &mut stillframe::app::Config| config.gates.snapshot_creates_per_minute = 1;
    let mut server = TestServer::start_with(limit).await;
    server.given_collection("books").await;
    // The next server has the real time: the minute is not over before it has started.
    server.clock.advance(MINUTE);
    server.given_snapshot("books", "s1").await;
    server.delete_snapshot("s1").await.unwrap();
    let mut server = TestServer::reopen(server.stop().await).await;
    refused(server.request_snapshot("books", "s2").await, Code::ResourceExhausted, "RATE_LIMITED");
    server.clock.advance(EDGE + MINUTE);
    server.given_snapshot("books", "s2").await;
    server.stop().await;
}

/// A snapshot in the workspace `team`.
async fn snapshot_of_team(server: &mut TestServer, id: &str) -> Result<pb::Snapshot, tonic::Status> {
    let collection = "workspaces/team/collections/books".to_owned();
    let request = pb::CreateSnapshotRequest {
        parent: "workspaces/team".to_owned(),
        snapshot_id: id.to_owned(),
        snapshot: Some(pb::Snapshot { collection, ..Default::default() }),
        ..Default::default()
    };
    Ok(server.snapshots.create_snapshot(request).await?.into_inner())
}

#[apply(on_each_storage!)]
async fn a_workspace_that_is_made_again_does_not_refill_it_either() {
    let limit = |config: &mut stillframe::app::Config| config.gates.snapshot_creates_per_minute = 1;
    let mut server = TestServer::start_with(limit).await;
    server.given_workspace("team").await;
    server.create_collection("workspaces/team", "books").await.unwrap();
    let made = snapshot_of_team(&mut server, "s1").await.unwrap();
    let request = pb::DeleteSnapshotRequest { name: made.name, ..Default::default() };
    server.snapshots.delete_snapshot(request).await.unwrap();
    let name = "workspaces/team/collections/books".to_owned();
    server.collections.delete_collection(pb::DeleteCollectionRequest { name, ..Default::default() }).await.unwrap();
    server.delete_workspace("team").await.unwrap();
    server.given_workspace("team").await;
    server.create_collection("workspaces/team", "books").await.unwrap();
    refused(snapshot_of_team(&mut server, "s2").await, Code::ResourceExhausted, "RATE_LIMITED");
    server.clock.advance(MINUTE);
    snapshot_of_team(&mut server, "s3").await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_refused_request_uses_up_no_rate() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_creates_per_minute = 2).await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s1").await;
    refused(server.request_snapshot("books", "s1").await, Code::AlreadyExists, "SNAPSHOT_EXISTS");
    refused(server.request_snapshot("nobody", "s2").await, Code::NotFound, "NOT_FOUND");
    server.given_snapshot("books", "s2").await;
    server.stop().await;
}
