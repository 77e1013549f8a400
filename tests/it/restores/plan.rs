//! `validate_only`: every gate and the plan, and nothing else.

use std::time::Duration;

use stillframe::pb::{self, restore::State, workspace::SnapshotPreview};
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, refused, restore_request, span};

fn plan_request(snapshot: &str, collection: &str) -> pb::CreateRestoreRequest {
    pb::CreateRestoreRequest { validate_only: true, ..restore_request(snapshot, collection) }
}

#[apply(on_each_storage!)]
async fn a_plan_tells_what_would_be_done_and_stores_nothing() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let snapshot = server.given_snapshot("books", "monday").await;
    let answer = server.create_restore(plan_request("monday", "again")).await.unwrap();
    assert_eq!((answer.state(), answer.uid.as_str(), answer.etag.as_str()), (State::Unspecified, "", ""));
    assert_eq!((answer.create_time, answer.progress, answer.receipt), (None, None, None));
    assert_eq!((answer.collection, answer.snapshot_uid), (collection_name("again"), snapshot.uid.clone()));
    let plan = answer.plan.unwrap();
    assert_eq!((plan.bytes, plan.documents, plan.documents_dropped), (server.file_bytes(&snapshot), 100, 0));
    let left_behind = plan.left_behind.iter().map(|left| left.split_once(':').unwrap().0).collect::<Vec<_>>();
    assert_eq!((plan.files > 0, left_behind), (true, vec!["streaming sources", "description and labels"]));

    refused(server.collection("again").await, Code::NotFound, "NOT_FOUND");
    refused(server.get_restore("again").await, Code::NotFound, "NOT_FOUND");
    let request = pb::ListRestoresRequest { parent: COMMONS.to_owned(), ..Default::default() };
    assert!(server.restores.list_restores(request).await.unwrap().into_inner().restores.is_empty());
    let receipt = server.given_restore("monday", "again").await.receipt.unwrap();
    assert_eq!((receipt.bytes, receipt.files, receipt.documents_restored), (plan.bytes, plan.files, plan.documents));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_plan_without_an_id_has_no_name() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let request = pb::CreateRestoreRequest { restore_id: String::new(), ..plan_request("monday", "again") };
    assert_eq!(server.create_restore(request).await.unwrap().name, "");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_plan_meets_every_gate_that_a_restore_meets() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.given_snapshot("books", "monday").await;
    server.given_snapshot("books", "gone").await;
    server.delete_snapshot("gone").await.unwrap();
    server.given_restore("monday", "taken").await;
    server.delete_collection("taken").await.unwrap();

    let mut retained = plan_request("monday", "again");
    retained.restore.as_mut().unwrap().retention = Some(span(Duration::from_secs(3600)));
    let cases = [
        (plan_request("never", "again"), Code::NotFound, "NOT_FOUND"),
        (plan_request("gone", "again"), Code::FailedPrecondition, "SNAPSHOT_NOT_READY"),
        (plan_request("monday", "books"), Code::AlreadyExists, "COLLECTION_EXISTS"),
        (plan_request("monday", "taken"), Code::AlreadyExists, "RESTORE_EXISTS"),
        (retained, Code::InvalidArgument, "RETENTION_IMMUTABLE"),
    ];
    for (request, code, reason) in cases {
        refused(server.create_restore(request.clone()).await, code, reason);
        let real = pb::CreateRestoreRequest { validate_only: false, ..request };
        refused(server.create_restore(real).await, code, reason);
    }
    server.given_gates(pb::Workspace { max_restore_bytes: Some(1), ..Default::default() }).await;
    let answer = server.create_restore(plan_request("monday", "again")).await;
    refused(answer, Code::FailedPrecondition, "RESTORE_TOO_LARGE");
    let disabled = SnapshotPreview::Disabled.into();
    server.given_gates(pb::Workspace { snapshot_preview: disabled, ..Default::default() }).await;
    let answer = server.create_restore(plan_request("monday", "again")).await;
    refused(answer, Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED");
    server.stop().await;
}
