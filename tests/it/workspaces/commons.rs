//! `commons` always exists.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, refused};

#[apply(on_each_storage!)]
async fn commons_exists_and_stays() {
    let mut server = TestServer::start().await;
    let commons = server.get_workspace("commons").await.unwrap();
    refused(server.delete_workspace("commons").await, Code::FailedPrecondition, "WORKSPACE_PROTECTED");
    let created = server.create_workspace("commons", pb::Workspace::default()).await;
    refused(created, Code::AlreadyExists, "WORKSPACE_EXISTS");

    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.get_workspace("commons").await.unwrap(), commons);
    server.stop().await;
}
