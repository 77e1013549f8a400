//! A repeated request has one effect.

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, DAY, TestServer, refused};

fn request(id: &str, description: &str) -> pb::CreateCollectionRequest {
    pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: id.to_owned(),
        collection: Some(pb::Collection { description: description.to_owned(), ..Default::default() }),
        request_id: "r1".to_owned(),
    }
}

#[apply(on_each_storage!)]
async fn the_same_request_returns_the_same_collection() {
    let mut server = TestServer::start().await;
    let first = server.collections.create_collection(request("books", "d")).await.unwrap().into_inner();
    let again = server.collections.create_collection(request("books", "d")).await.unwrap().into_inner();
    assert_eq!(again, first);
    for other in [request("films", "d"), request("books", "e")] {
        let reused = server.collections.create_collection(other).await;
        refused(reused, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn requests_at_once_make_one_collection() {
    let mut server = TestServer::start().await;
    let attempts = (0..8).map(|_| {
        let mut client = server.collections.clone();
        async move { client.create_collection(request("books", "d")).await.unwrap().into_inner().uid }
    });
    let mut uids = futures::future::join_all(attempts).await;
    uids.dedup();
    assert_eq!(uids, [server.collection("books").await.unwrap().uid]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_repeated_request_does_not_bring_a_deleted_collection_back() {
    let mut server = TestServer::start().await;
    server.collections.create_collection(request("books", "d")).await.unwrap();
    server.delete_collection("books").await.unwrap();
    let again = server.collections.create_collection(request("books", "d")).await;
    refused(again, Code::NotFound, "NOT_FOUND");
    server.given_collection("books").await;
    let again = server.collections.create_collection(request("books", "d")).await;
    refused(again, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_is_forgotten_after_a_day() {
    let mut server = TestServer::start().await;
    server.collections.create_collection(request("books", "d")).await.unwrap();
    server.clock.advance(DAY);
    let again = server.collections.create_collection(request("books", "d")).await;
    refused(again, Code::AlreadyExists, "COLLECTION_EXISTS");
    server.collections.create_collection(request("films", "e")).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_id_belongs_to_one_method() {
    let mut server = TestServer::start().await;
    server.collections.create_collection(request("books", "d")).await.unwrap();
    let workspace = pb::CreateWorkspaceRequest {
        workspace_id: "team".to_owned(),
        request_id: "r1".to_owned(),
        ..Default::default()
    };
    server.workspaces.create_workspace(workspace).await.unwrap();
    server.stop().await;
}
