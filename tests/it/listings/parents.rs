//! A list is of one workspace, or of all with `workspaces/-`.

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, id_of, refused, refused_fields};

const TEAM: &str = "workspaces/team";

#[apply(on_each_storage!)]
async fn a_dash_lists_all_workspaces() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    server.given_collection("books").await;
    server.create_collection(TEAM, "films").await.unwrap();
    server.given_snapshot("books", "s").await;
    server.given_restore("s", "again").await;
    for (parent, expected) in
        [(COMMONS, &["again", "books"][..]), (TEAM, &["films"]), ("workspaces/-", &["again", "books", "films"])]
    {
        let request = pb::ListCollectionsRequest { parent: parent.to_owned(), ..Default::default() };
        let listed = server.collections.list_collections(request).await.unwrap().into_inner().collections;
        let ids: Vec<_> = listed.iter().map(|collection| id_of(&collection.name)).collect();
        assert_eq!(ids, expected, "{parent}");
    }
    for (parent, expected) in [(COMMONS, 1), (TEAM, 0), ("workspaces/-", 1)] {
        let request = pb::ListSnapshotsRequest { parent: parent.to_owned(), ..Default::default() };
        let listed = server.snapshots.list_snapshots(request).await.unwrap().into_inner().snapshots;
        assert_eq!(listed.len(), expected, "{parent}");
        let request = pb::ListRestoresRequest { parent: parent.to_owned(), ..Default::default() };
        let listed = server.restores.list_restores(request).await.unwrap().into_inner().restores;
        assert_eq!(listed.len(), expected, "{parent}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_workspace_must_exist() {
    let mut server = TestServer::start().await;
    let parent = || TEAM.to_owned();
    let collections = pb::ListCollectionsRequest { parent: parent(), ..Default::default() };
    refused(server.collections.list_collections(collections).await, Code::NotFound, "NOT_FOUND");
    let snapshots = pb::ListSnapshotsRequest { parent: parent(), ..Default::default() };
    refused(server.snapshots.list_snapshots(snapshots).await, Code::NotFound, "NOT_FOUND");
    let restores = pb::ListRestoresRequest { parent: parent(), ..Default::default() };
    refused(server.restores.list_restores(restores).await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn parents_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    for parent in ["", "commons", "workspaces", "workspaces/", "workspaces/a.b", "workspaces/commons/collections"] {
        let parent = || parent.to_owned();
        let collections = pb::ListCollectionsRequest { parent: parent(), ..Default::default() };
        refused_fields(server.collections.list_collections(collections).await, &["parent"]);
        let snapshots = pb::ListSnapshotsRequest { parent: parent(), ..Default::default() };
        refused_fields(server.snapshots.list_snapshots(snapshots).await, &["parent"]);
        let restores = pb::ListRestoresRequest { parent: parent(), ..Default::default() };
        refused_fields(server.restores.list_restores(restores).await, &["parent"]);
    }
    server.stop().await;
}
