//! A clean stop and a start keep everything that was promised.

use std::collections::BTreeMap;

use stillframe::pb::{self, snapshot::State as SnapshotState};

use super::{
    super::support::{COMMONS, TestServer, collection_name, delete, restore_request, snapshot_name},
    invariants::{check, collections, contents, restores, snapshots},
};

#[apply(on_directory!)]
async fn every_resource_is_there_again() {
    let mut server = given_one_of_each().await;
    let before = everything(&mut server).await;
    let books = contents(&mut server, "books").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(everything(&mut server).await, before);
    assert_eq!(contents(&mut server, "books").await, books);
    check(&mut server).await;
    server.stop().await;
}

async fn given_one_of_each() -> TestServer {
    let mut server = TestServer::start().await;
    let workspace = pb::Workspace {
        description: "the other".to_owned(),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        max_restore_bytes: Some(77),
        ..Default::default()
    };
    let request =
        pb::CreateWorkspaceRequest { workspace_id: "w2".to_owned(), workspace: Some(workspace), ..Default::default() };
    server.workspaces.create_workspace(request).await.unwrap();
    for id in ["books", "empty", "gone"] {
        server.given_collection(id).await;
    }
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "kept").await;
    server.given_snapshot("books", "dropped").await;
    server.given_restore("kept", "again").await;
    server.write("books", vec![delete("000003")]).await;
    let request = pb::DeleteSnapshotRequest { name: snapshot_name("dropped"), ..Default::default() };
    server.snapshots.delete_snapshot(request).await.unwrap();
    let request = pb::DeleteCollectionRequest { name: collection_name("gone"), ..Default::default() };
    server.collections.delete_collection(request).await.unwrap();
    check(&mut server).await;
    server
}

/// All resources but what may change without anyone changing it.
async fn everything(server: &mut TestServer) -> Vec<String> {
    let mut found = Vec::new();
    let request = pb::ListWorkspacesRequest::default();
    found.extend(server.workspaces.list_workspaces(request).await.unwrap().into_inner().workspaces.iter().map(debug));
    for mut collection in collections(server).await {
        collection.stats.as_mut().unwrap().stored_bytes = 0;
        found.push(debug(&collection));
    }
    found.extend(snapshots(server).await.iter().map(debug));
    found.extend(restores(server).await.iter().map(debug));
    found
}

fn debug(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

#[apply(on_directory!)]
async fn a_repeated_request_is_answered_as_before() {
    let mut server = TestServer::start().await;
    let collection = pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "books".to_owned(),
        request_id: "0190a8a0-0000-7000-8000-000000000001".to_owned(),
        ..Default::default()
    };
    let snapshot = pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: "monday".to_owned(),
        snapshot: Some(pb::Snapshot { collection: collection_name("books"), ..Default::default() }),
        request_id: "0190a8a0-0000-7000-8000-000000000002".to_owned(),
        ..Default::default()
    };
    let restore = pb::CreateRestoreRequest {
        request_id: "0190a8a0-0000-7000-8000-000000000003".to_owned(),
        ..restore_request("monday", "again")
    };
    let mut uids = Vec::new();
    for _ in 0..2 {
        uids.push(server.collections.create_collection(collection.clone()).await.unwrap().into_inner().uid);
        uids.push(server.snapshots.create_snapshot(snapshot.clone()).await.unwrap().into_inner().uid);
        assert_eq!(server.watch_snapshot("monday").await.pop().unwrap().state(), SnapshotState::Created);
        uids.push(server.restores.create_restore(restore.clone()).await.unwrap().into_inner().uid);
        server.watch_restore("again").await;
        server = TestServer::reopen(server.stop().await).await;
    }
    let (first, second) = uids.split_at(3);
    assert_eq!(first, second);
    server.stop().await;
}

#[apply(on_directory!)]
async fn page_and_resume_tokens_go_on_behind_a_restart() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 9000, 1).await;
    let all: BTreeMap<String, String> = contents(&mut server, "books").await;
    let list = pb::ListDocumentsRequest { collection: collection_name("books"), page_size: 30, ..Default::default() };
    let page = server.documents.list_documents(list.clone()).await.unwrap().into_inner();
    let stream = pb::StreamDocumentsRequest { collection: collection_name("books"), ..Default::default() };
    let mut messages = server.documents.stream_documents(stream.clone()).await.unwrap().into_inner();
    messages.message().await.unwrap();
    let first = messages.message().await.unwrap().unwrap();
    assert!(first.documents.len() < all.len(), "more than one message");
    drop(messages);

    let mut server = TestServer::reopen(server.stop().await).await;
    let list = pb::ListDocumentsRequest { page_token: page.next_page_token, ..list };
    let next = server.documents.list_documents(list).await.unwrap().into_inner();
    let ids: Vec<_> = page.documents.iter().chain(&next.documents).map(|document| &document.id).collect();
    assert_eq!(ids, all.keys().take(60).collect::<Vec<_>>());

    let stream = pb::StreamDocumentsRequest { resume_token: first.resume_token, ..stream };
    let rest = server.documents.stream_documents(stream).await.unwrap().into_inner();
    let rest: Vec<pb::StreamDocumentsResponse> = super::super::support::collect(rest).await.unwrap();
    let rest = rest.into_iter().flat_map(|message| message.documents);
    let ids: Vec<_> = first.documents.into_iter().chain(rest).map(|document| document.id).collect();
    assert_eq!(ids, all.into_keys().collect::<Vec<_>>());
    server.stop().await;
}
