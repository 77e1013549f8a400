//! A workspace is created, read, and deleted once it is empty.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, labels, micros, refused};

#[apply(on_each_storage!)]
async fn a_workspace_is_created_read_and_deleted() {
    let mut server = TestServer::start().await;
    let sent = pb::Workspace {
        description: "Search team".to_owned(),
        labels: labels([("team", "search")]),
        ..Default::default()
    };
    let created = server.create_workspace("team", sent).await.unwrap();
    assert_eq!((created.name.as_str(), created.description.as_str()), ("workspaces/team", "Search team"));
    assert_eq!(created.labels, labels([("team", "search")]));
    assert_eq!((created.uid.len(), &created.uid[14..15]), (36, "7"), "a UUIDv7");
    assert!(!created.etag.is_empty());
    assert_eq!(micros(created.create_time.as_ref()), micros(created.update_time.as_ref()));
    assert_eq!(server.get_workspace("team").await.unwrap(), created);

    server.delete_workspace("team").await.unwrap();
    refused(server.get_workspace("team").await, Code::NotFound, "NOT_FOUND");
    refused(server.delete_workspace("team").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_workspace_created_again_is_another_one() {
    let mut server = TestServer::start().await;
    let first = server.given_workspace("team").await;
    let again = server.create_workspace("team", pb::Workspace::default()).await;
    refused(again, Code::AlreadyExists, "WORKSPACE_EXISTS");
    server.delete_workspace("team").await.unwrap();
    assert_ne!(server.given_workspace("team").await.uid, first.uid);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn workspaces_survive_a_restart() {
    let mut server = TestServer::start().await;
    let created = server.given_workspace("team").await;
    server.given_workspace("gone").await;
    server.delete_workspace("gone").await.unwrap();
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.get_workspace("team").await.unwrap(), created);
    refused(server.get_workspace("gone").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}
