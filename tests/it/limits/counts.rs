//! How much of everything there may be.

use stillframe::{app::Config, pb, workspace::Limits};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{COMMONS, TestServer, delete, eventually, refused, restore_request};

async fn start(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::start_with(|config| change(&mut config.limits)).await
}

/// The error must name the parent and the limit.
#[track_caller]
fn too_many<T: std::fmt::Debug>(answer: Result<T, Status>, why: &str, parent: &str, limit: usize) {
    let status = refused(answer, Code::ResourceExhausted, why);
    let details = status.get_error_details();
    let info = details.error_info().unwrap().metadata.clone();
    assert_eq!(info.get("resource").map(String::as_str), Some(parent));
    assert_eq!(info.get("limit"), Some(&limit.to_string()));
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, parent);
}

#[apply(on_directory!)]
async fn workspaces() {
    let mut server = start(|limits| limits.workspaces = 2).await;
    server.given_workspace("team").await;
    let more = server.create_workspace("more", pb::Workspace::default()).await;
    too_many(more, "TOO_MANY_WORKSPACES", "the server", 2);
    let request = pb::DeleteWorkspaceRequest { name: "workspaces/team".to_owned(), ..Default::default() };
    server.workspaces.delete_workspace(request).await.unwrap();
    server.given_workspace("more").await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn collections_of_a_workspace_restored_ones_included() {
    let mut server = start(|limits| limits.collections = 2).await;
    server.given_workspace("team").await;
    server.given_collection("a").await;
    server.given_snapshot("a", "monday").await;
    server.given_collection("b").await;
    too_many(server.create_collection(COMMONS, "c").await, "TOO_MANY_COLLECTIONS", COMMONS, 2);
    for validate_only in [true, false] {
        let request = pb::CreateRestoreRequest { validate_only, ..restore_request("monday", "c") };
        too_many(server.create_restore(request).await, "TOO_MANY_COLLECTIONS", COMMONS, 2);
    }
    server.create_collection("workspaces/team", "c").await.unwrap();
    let request = pb::DeleteCollectionRequest { name: format!("{COMMONS}/collections/b"), ..Default::default() };
    server.collections.delete_collection(request).await.unwrap();
    server.given_restore("monday", "c").await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn snapshots_of_a_workspace() {
    let mut server = start(|limits| limits.snapshots = 2).await;
    server.given_collection("books").await;
    server.given_snapshot("books", "a").await;
    server.given_snapshot("books", "b").await;
    too_many(server.request_snapshot("books", "c").await, "TOO_MANY_SNAPSHOTS", COMMONS, 2);
    // Tombstones do not count.
    server.delete_snapshot("a").await.unwrap();
    server.given_snapshot("books", "c").await;
    too_many(server.request_snapshot("books", "d").await, "TOO_MANY_SNAPSHOTS", COMMONS, 2);
    server.stop().await;
}

#[apply(on_directory!)]
async fn restores_under_way_in_a_workspace() {
    let mut server = start(|limits| limits.restores = 2).await;
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    server.write("books", vec![delete("000000")]).await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    for id in ["a", "b"] {
        server.request_restore("monday", id).await.unwrap();
    }
    too_many(server.request_restore("monday", "c").await, "TOO_MANY_RESTORES", COMMONS, 2);
    block.lift();
    server.ended_restore("a").await;
    server.given_restore("monday", "c").await;
    server.stop().await;
}

/// Each goes as soon as its place is needed and it has let go of everything.
#[apply(on_directory!)]
async fn ended_restores_of_a_workspace_of_which_the_oldest_go() {
    let mut server = start(|limits| limits.ended_restores = 3).await;
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    server.given_snapshot("books", "monday").await;
    for id in ["a", "b", "c"] {
        server.given_restore("monday", id).await;
    }
    server.get_restore("a").await.unwrap();
    // A stop waits for the work: behind it, all of them have let go.
    let limit = |config: &mut Config| config.limits.ended_restores = 3;
    let mut server = TestServer::reopen_with(server.stop().await, limit).await.unwrap();
    let mut more = (0..20).map(|n| format!("d{n}"));
    let mut newest = String::new();
    while server.get_restore("a").await.is_ok() {
        newest = more.next().expect("it is forgotten for one of the next");
        server.given_restore("monday", &newest).await;
    }
    refused(server.get_restore("a").await, Code::NotFound, "NOT_FOUND");
    for kept in ["c", &newest] {
        server.get_restore(kept).await.unwrap();
    }
    assert_eq!(server.stats("a").await.document_count, 3);
    server.stop().await;
}

#[apply(on_directory!)]
async fn ended_snapshots_of_a_workspace_of_which_the_oldest_go() {
    let mut server = start(|limits| limits.ended_snapshots = 3).await;
    server.given_collection("books").await;
    server.given_snapshot("books", "lives").await;
    for id in ["a", "b", "c"] {
        server.given_snapshot("books", id).await;
        server.delete_snapshot(id).await.unwrap();
    }
    server.get_snapshot("a").await.unwrap();
    // Those of the one that lives stay. A stop waits for the work, so that behind it
    // the others have let go of everything.
    let files = server.dir.path().join("storage/files");
    eventually("the files are given back", async || std::fs::read_dir(&files).unwrap().count() == 1).await;
    let limit = |config: &mut Config| config.limits.ended_snapshots = 3;
    let mut server = TestServer::reopen_with(server.stop().await, limit).await.unwrap();
    let mut more = (0..20).map(|n| format!("d{n}"));
    while server.get_snapshot("a").await.is_ok() {
        let newest = more.next().expect("it is forgotten for one of the next");
        server.given_snapshot("books", &newest).await;
    }
    refused(server.get_snapshot("a").await, Code::NotFound, "NOT_FOUND");
    for kept in ["lives", "c", "d0"] {
        server.get_snapshot(kept).await.unwrap();
    }
    server.stop().await;
}

#[test]
fn the_shipped_limits_are_those_of_the_readme() {
    let Limits {
        workspaces,
        collections,
        snapshots,
        ended_snapshots,
        restores,
        ended_restores,
        api_keys,
        api_keys_of_workspace,
    } = Limits::default();
    assert_eq!((workspaces, api_keys, api_keys_of_workspace), (1_000, 10_000, 1_000));
    assert_eq!((collections, snapshots, restores), (10_000, 10_000, 1_000));
    assert_eq!((ended_snapshots, ended_restores), (10_000, 10_000));
}
