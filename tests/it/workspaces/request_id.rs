//! A repeated request has one effect.

use stillframe::pb;
use tonic::Code;

use crate::support::{DAY, TestServer, refused, refused_fields};

fn request(id: &str, description: &str, request_id: &str) -> pb::CreateWorkspaceRequest {
    pb::CreateWorkspaceRequest {
        workspace_id: id.to_owned(),
        workspace: Some(pb::Workspace { description: description.to_owned(), ..Default::default() }),
        request_id: request_id.to_owned(),
    }
}

#[apply(on_each_storage!)]
async fn the_same_request_returns_the_same_workspace() {
    let mut server = TestServer::start().await;
    let first = server.workspaces.create_workspace(request("a", "d", "r1")).await.unwrap().into_inner();
    let again = server.workspaces.create_workspace(request("a", "d", "r1")).await.unwrap().into_inner();
    assert_eq!(again, first);
    for other in [request("b", "d", "r1"), request("a", "e", "r1")] {
        let reused = server.workspaces.create_workspace(other).await;
        refused(reused, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    }
    let exists = server.workspaces.create_workspace(request("a", "d", "r2")).await;
    refused(exists, Code::AlreadyExists, "WORKSPACE_EXISTS");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_is_remembered_over_a_restart_for_a_day() {
    let mut server = TestServer::start().await;
    let first = server.workspaces.create_workspace(request("a", "d", "r1")).await.unwrap().into_inner();
    let mut server = TestServer::reopen(server.stop().await).await;
    let again = server.workspaces.create_workspace(request("a", "d", "r1")).await.unwrap().into_inner();
    assert_eq!(again, first);
    server.clock.advance(DAY);
    let exists = server.workspaces.create_workspace(request("a", "d", "r1")).await;
    refused(exists, Code::AlreadyExists, "WORKSPACE_EXISTS");
    server.workspaces.create_workspace(request("b", "d", "r1")).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_id_has_at_most_128_bytes_without_control_characters() {
    let mut server = TestServer::start().await;
    server.workspaces.create_workspace(request("a", "", &"r".repeat(128))).await.unwrap();
    for request_id in [&"r".repeat(129), "a\nb", "\0"] {
        let answer = server.workspaces.create_workspace(request("b", "", request_id)).await;
        refused_fields(answer, &["request_id"]);
    }
    server.stop().await;
}
