//! Ids, names and texts of every wrong shape.

use stillframe::pb;

use crate::support::{BAD_IDS, TestServer, labels, refused_fields};

#[apply(on_each_storage!)]
async fn ids_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    for id in BAD_IDS {
        refused_fields(server.create_workspace(id, pb::Workspace::default()).await, &["workspace_id"]);
        refused_fields(server.get_workspace(id).await, &["name"]);
        refused_fields(server.delete_workspace(id).await, &["name"]);
    }
    server.given_workspace(&"x".repeat(128)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn names_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    for name in ["", "team", "workspaces", "/workspaces/team", "workspaces/team/", "workspaces/a/collections/b"] {
        let get = pb::GetWorkspaceRequest { name: name.to_owned() };
        refused_fields(server.workspaces.get_workspace(get).await, &["name"]);
        let update = pb::Workspace { name: name.to_owned(), ..Default::default() };
        refused_fields(server.update_workspace(update, None).await, &["workspace.name"]);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn texts_are_accepted_up_to_their_limits() {
    let mut server = TestServer::start().await;
    let mut many = labels([]);
    many.extend((1..64).map(|n| (format!("key{n}"), String::new())));
    many.insert("k".repeat(63), "v".repeat(255));
    let most = pb::Workspace { description: "d".repeat(4096), labels: many.clone(), ..Default::default() };
    server.create_workspace("most", most.clone()).await.unwrap();

    let too_long = pb::Workspace { description: "d".repeat(4097), ..Default::default() };
    refused_fields(server.create_workspace("more", too_long).await, &["workspace.description"]);
    many.insert("one more".to_owned(), String::new());
    for labels in [many, labels([(&"k".repeat(64), "")]), labels([("", "")]), labels([("k", &"v".repeat(256))])] {
        let workspace = pb::Workspace { labels, ..Default::default() };
        refused_fields(server.create_workspace("more", workspace).await, &["workspace.labels"]);
    }
    server.stop().await;
}
