//! What an update touches.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, labels, refused, refused_fields};

fn full() -> pb::Workspace {
    pb::Workspace { description: "d".to_owned(), labels: labels([("a", "1")]), ..Default::default() }
}

fn named(workspace: pb::Workspace) -> pb::Workspace {
    pb::Workspace { name: "workspaces/team".to_owned(), ..workspace }
}

#[apply(on_each_storage!)]
async fn without_a_mask_the_fields_that_are_not_empty_change() {
    let mut server = TestServer::start().await;
    server.create_workspace("team", full()).await.unwrap();
    let change = named(pb::Workspace { description: "new".to_owned(), ..Default::default() });
    let updated = server.update_workspace(change, None).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.labels), ("new", labels([("a", "1")])));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_mask_names_what_changes_even_to_nothing() {
    let mut server = TestServer::start().await;
    server.create_workspace("team", full()).await.unwrap();
    let change = named(pb::Workspace { labels: labels([("b", "2")]), ..Default::default() });
    let updated = server.update_workspace(change, Some(&["description"])).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.labels), ("", labels([("a", "1")])));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_star_is_all_fields() {
    let mut server = TestServer::start().await;
    server.create_workspace("team", full()).await.unwrap();
    let change = named(pb::Workspace { max_restore_bytes: Some(7), ..Default::default() });
    let updated = server.update_workspace(change, Some(&["*"])).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.labels.len(), updated.max_restore_bytes), ("", 0, Some(7)));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_path_that_cannot_be_updated_is_refused() {
    let mut server = TestServer::start().await;
    let before = server.create_workspace("team", full()).await.unwrap();
    for path in ["name", "uid", "create_time", "etag", "nonsense", "", "labels.a"] {
        let change = named(pb::Workspace { description: "new".to_owned(), ..Default::default() });
        refused_fields(server.update_workspace(change, Some(&["description", path])).await, &["update_mask"]);
    }
    assert_eq!(server.get_workspace("team").await.unwrap(), before);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_to_be_updated_must_be_there() {
    let mut server = TestServer::start().await;
    refused(server.update_workspace(named(full()), None).await, Code::NotFound, "NOT_FOUND");
    refused_fields(server.update_workspace(full(), None).await, &["workspace.name"]);
    let nothing = server.workspaces.update_workspace(pb::UpdateWorkspaceRequest::default()).await;
    refused_fields(nothing, &["workspace"]);
    server.stop().await;
}
