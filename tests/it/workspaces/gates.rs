//! The gates that an operator sets, and where they begin.

use stillframe::pb::{self, workspace::SnapshotPreview};
use tonic::Code;

use crate::support::{TestServer, refused, refused_fields};

fn gates(workspace: &pb::Workspace) -> (SnapshotPreview, Option<i64>, Option<i32>) {
    (workspace.snapshot_preview(), workspace.max_restore_bytes, workspace.snapshot_creates_per_minute)
}

#[apply(on_each_storage!)]
async fn new_workspaces_take_the_gates_of_the_server() {
    let mut server = TestServer::start_with(|config| {
        config.gates.snapshot_preview = false;
        config.gates.max_restore_bytes = 5;
        config.gates.snapshot_creates_per_minute = 3;
    })
    .await;
    let defaults = (SnapshotPreview::Disabled, Some(5), Some(3));
    assert_eq!(gates(&server.get_workspace("commons").await.unwrap()), defaults);
    assert_eq!(gates(&server.given_workspace("team").await), defaults);
    let own = pb::Workspace {
        snapshot_preview: SnapshotPreview::Enabled.into(),
        max_restore_bytes: Some(1),
        ..Default::default()
    };
    let created = server.create_workspace("own", own).await.unwrap();
    assert_eq!(gates(&created), (SnapshotPreview::Enabled, Some(1), Some(3)));

    let server = TestServer::reopen_with(server.stop().await, |config| config.gates.max_restore_bytes = 9).await;
    let mut server = server.unwrap();
    assert_eq!(gates(&server.get_workspace("team").await.unwrap()), defaults, "those that exist keep theirs");
    assert_eq!(server.given_workspace("new").await.max_restore_bytes, Some(9));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_shipped_defaults_are_those_of_the_contract() {
    let config = stillframe::app::Config::new("unused".into());
    assert!(config.gates.snapshot_preview);
    assert_eq!(config.gates.max_restore_bytes, 10_000_000_000_000);
    assert_eq!(config.gates.snapshot_creates_per_minute, 50);
}

#[apply(on_each_storage!)]
async fn each_gate_changes_alone() {
    let mut server = TestServer::start().await;
    let disabled = SnapshotPreview::Disabled.into();
    server.given_gates(pb::Workspace { snapshot_preview: disabled, ..Default::default() }).await;
    server.given_gates(pb::Workspace { max_restore_bytes: Some(1), ..Default::default() }).await;
    server.given_gates(pb::Workspace { snapshot_creates_per_minute: Some(2), ..Default::default() }).await;
    let commons = server.get_workspace("commons").await.unwrap();
    assert_eq!(gates(&commons), (SnapshotPreview::Disabled, Some(1), Some(2)));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_changed_gate_acts_at_once() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let set = async |server: &mut TestServer, preview: SnapshotPreview| {
        server.given_gates(pb::Workspace { snapshot_preview: preview.into(), ..Default::default() }).await;
    };
    set(&mut server, SnapshotPreview::Disabled).await;
    let answer = server.request_snapshot("books", "s").await;
    refused(answer, Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED");
    set(&mut server, SnapshotPreview::Enabled).await;
    server.given_snapshot("books", "s").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn gates_out_of_range_are_refused_together() {
    let mut server = TestServer::start().await;
    let wrong = pb::Workspace {
        snapshot_preview: 9,
        max_restore_bytes: Some(0),
        snapshot_creates_per_minute: Some(-1),
        ..Default::default()
    };
    let fields = ["workspace.snapshot_preview", "workspace.max_restore_bytes", "workspace.snapshot_creates_per_minute"];
    refused_fields(server.create_workspace("team", wrong.clone()).await, &fields);
    let wrong = pb::Workspace { name: "workspaces/commons".to_owned(), ..wrong };
    refused_fields(server.update_workspace(wrong, None).await, &fields);
    server.stop().await;
}
