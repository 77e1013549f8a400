//! The gates of the workspace: the preview, and snapshots per minute.

use stillframe::pb::{self, workspace::SnapshotPreview};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{COMMONS, MINUTE, TestServer, refused};

#[tokio::test]
async fn a_disabled_preview_says_what_the_operator_can_do() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_preview = false).await;
    server.given_collection("books").await;
    let status = server.request_snapshot("books", "s").await;
    let status = refused(status, Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED");
    let details = status.get_error_details();
    assert!(details.help().unwrap().links[0].description.contains("snapshot_preview"));
    assert_eq!(details.precondition_failure().unwrap().violations[0].subject, COMMONS);
    assert_eq!(details.error_info().unwrap().metadata["resource"], COMMONS);
    server.stop().await;
}

#[tokio::test]
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

#[tokio::test]
async fn a_rate_that_is_used_up_is_free_again_after_a_minute() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_creates_per_minute = 2).await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s1").await;
    server.clock.advance(MINUTE / 2);
    server.given_snapshot("books", "s2").await;
    let status = refused(server.request_snapshot("books", "s3").await, Code::ResourceExhausted, "RATE_LIMITED");
    let details = status.get_error_details();
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(wait > MINUTE / 4 && wait <= MINUTE / 2, "{wait:?}");
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, COMMONS);

    server.clock.advance(wait);
    server.given_snapshot("books", "s3").await;
    refused(server.request_snapshot("books", "s4").await, Code::ResourceExhausted, "RATE_LIMITED");
    server.stop().await;
}

#[tokio::test]
async fn a_restart_does_not_refill_the_rate() {
    let limit = |config: &mut stillframe::app::Config| config.gates.snapshot_creates_per_minute = 1;
    let mut server = TestServer::start_with(limit).await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s1").await;
    server.delete_snapshot("s1").await.unwrap();
    let mut server = TestServer::reopen(server.stop().await).await;
    refused(server.request_snapshot("books", "s2").await, Code::ResourceExhausted, "RATE_LIMITED");
    server.clock.advance(MINUTE);
    server.given_snapshot("books", "s2").await;
    server.stop().await;
}

#[tokio::test]
async fn a_refused_request_uses_up_no_rate() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_creates_per_minute = 2).await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s1").await;
    refused(server.request_snapshot("books", "s1").await, Code::AlreadyExists, "SNAPSHOT_EXISTS");
    refused(server.request_snapshot("nobody", "s2").await, Code::NotFound, "NOT_FOUND");
    server.given_snapshot("books", "s2").await;
    server.stop().await;
}
