//! A restore from another workspace needs the right to read snapshots there and
//! to restore here.

use stillframe::pb::{self, Role};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{Clients, TestServer, refused};

async fn restore(caller: &mut Clients, validate_only: bool, id: &str) -> Result<pb::Restore, Status> {
    let request = pb::CreateRestoreRequest {
        parent: "workspaces/here".to_owned(),
        restore_id: id.to_owned(),
        restore: Some(pb::Restore {
            snapshot: "workspaces/commons/snapshots/monday".to_owned(),
            collection: format!("workspaces/here/collections/{id}"),
            ..Default::default()
        }),
        validate_only,
        ..Default::default()
    };
    Ok(caller.restores.create_restore(request).await?.into_inner())
}

#[apply(on_directory!)]
async fn it_takes_both_rights() {
    let mut server = TestServer::start().await;
    server.given_workspace("here").await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.given_snapshot("books", "monday").await;
    let mut root = server.given_operator().await;
    for (id, roles, lacks) in [
        ("no-source", &[("here", Role::SnapshotAdmin)][..], "workspaces/commons"),
        ("no-target", &[("commons", Role::SnapshotAdmin)], "workspaces/here"),
        ("reads-only", &[("commons", Role::Operator), ("here", Role::Writer)], "workspaces/here"),
    ] {
        let secret = root.given_key(id, roles).await;
        for validate_only in [true, false] {
            let answer = restore(&mut server.caller(Some(&secret)), validate_only, id).await;
            let status = refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
            let info = status.get_error_details().error_info().unwrap().metadata.clone();
            assert_eq!(info.get("resource").map(String::as_str), Some(lacks), "{id}: {info:?}");
        }
    }
    let secret = root.given_key("both", &[("commons", Role::Reader), ("here", Role::SnapshotAdmin)]).await;
    let mut both = server.caller(Some(&secret));
    restore(&mut both, true, "books").await.unwrap();
    let made = restore(&mut both, false, "books").await.unwrap();
    let watch = pb::WatchRestoreRequest { name: made.name };
    let values = both.restores.watch_restore(watch).await.unwrap().into_inner();
    let last = crate::support::collect(values).await.unwrap().pop().unwrap();
    assert_eq!(last.state(), pb::restore::State::Succeeded);

    // The gates are the target's, and only an operator there may change them.
    let gates = pb::Workspace { name: "workspaces/here".to_owned(), max_restore_bytes: Some(1), ..Default::default() };
    let update = || pb::UpdateWorkspaceRequest { workspace: Some(gates.clone()), ..Default::default() };
    refused(both.workspaces.update_workspace(update()).await, Code::PermissionDenied, "PERMISSION_DENIED");
    root.workspaces.update_workspace(update()).await.unwrap();
    refused(restore(&mut both, true, "more").await, Code::FailedPrecondition, "RESTORE_TOO_LARGE");
    server.stop().await;
}
