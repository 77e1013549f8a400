//! Only a CREATED snapshot can be restored.

use stillframe::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{DAY, TestServer, refused, snapshot_name};

async fn refused_state(server: &mut TestServer, snapshot: &str, reason: &str) -> tonic::Status {
    let status = refused(server.request_restore(snapshot, "again").await, Code::FailedPrecondition, reason);
    refused(server.collection("again").await, Code::NotFound, "NOT_FOUND");
    refused(server.get_restore("again").await, Code::NotFound, "NOT_FOUND");
    let details = status.get_error_details();
    assert_eq!(details.precondition_failure().unwrap().violations[0].subject, snapshot_name(snapshot));
    status
}

#[apply(on_each_storage!)]
async fn a_requested_snapshot_is_not_ready() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    let status = refused_state(&mut server, "s", "SNAPSHOT_NOT_READY").await;
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["state"], "REQUESTED");
    block.lift();
    assert_eq!(server.watch_snapshot("s").await.pop().unwrap().state(), pb::snapshot::State::Created);
    server.given_restore("s", "again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_failed_or_deleted_snapshot_is_not_ready() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.given_failed_snapshot("books", "s").await;
    let status = refused_state(&mut server, "s", "SNAPSHOT_NOT_READY").await;
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["state"], "FAILED");
    server.delete_snapshot("s").await.unwrap();
    let status = refused_state(&mut server, "s", "SNAPSHOT_NOT_READY").await;
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["state"], "DELETED");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_expired_snapshot_has_expired() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s").await;
    server.clock.advance(7 * DAY);
    refused_state(&mut server, "s", "SNAPSHOT_EXPIRED").await;
    server.stop().await;
}
