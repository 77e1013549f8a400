//! An etag that is not current changes nothing.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, refused};

#[apply(on_each_storage!)]
async fn only_the_current_etag_updates_or_deletes_a_workspace() {
    let mut server = TestServer::start().await;
    let first = server.given_workspace("team").await;
    let change = pb::Workspace { description: "changed".to_owned(), ..first.clone() };
    let second = server.update_workspace(change.clone(), None).await.unwrap();
    assert_ne!(second.etag, first.etag);

    refused(server.update_workspace(change, None).await, Code::Aborted, "ETAG_MISMATCH");
    let delete = |etag: &str| pb::DeleteWorkspaceRequest { name: "workspaces/team".to_owned(), etag: etag.to_owned() };
    let stale = server.workspaces.delete_workspace(delete(&first.etag)).await;
    refused(stale, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(server.get_workspace("team").await.unwrap(), second);
    server.workspaces.delete_workspace(delete(&second.etag)).await.unwrap();
    server.stop().await;
}
