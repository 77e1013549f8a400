//! Lists over all workspaces show what the caller may read.

use stillframe::pb::{self, Role};

use crate::support::{Clients, TestServer, id_of};

/// Two workspaces, each with a collection that bears its name, a snapshot of it,
/// a restore and a source.
async fn given_two_of_everything() -> TestServer {
    let mut server = TestServer::start().await;
    for id in ["here", "there"] {
        let workspace = format!("workspaces/{id}");
        server.given_workspace(id).await;
        server.create_collection(&workspace, id).await.unwrap();
        let collection = format!("{workspace}/collections/{id}");
        let request = pb::CreateSnapshotRequest {
            parent: workspace.clone(),
            snapshot_id: id.to_owned(),
            snapshot: Some(pb::Snapshot { collection: collection.clone(), ..Default::default() }),
            ..Default::default()
        };
        let snapshot = server.snapshots.create_snapshot(request).await.unwrap().into_inner().name;
        let watch = pb::WatchSnapshotRequest { name: snapshot.clone() };
        let values = server.snapshots.watch_snapshot(watch).await.unwrap().into_inner();
        crate::support::collect(values).await.unwrap();
        let restored = format!("{collection}-restored");
        let request = pb::CreateRestoreRequest {
            parent: workspace.clone(),
            restore_id: id.to_owned(),
            restore: Some(pb::Restore { snapshot, collection: restored, ..Default::default() }),
            ..Default::default()
        };
        let restore = server.restores.create_restore(request).await.unwrap().into_inner().name;
        let watch = pb::WatchRestoreRequest { name: restore };
        crate::support::collect(server.restores.watch_restore(watch).await.unwrap().into_inner()).await.unwrap();
        let location = format!("file://{}/import/{id}", server.dir.path().canonicalize().unwrap().display());
        let request = pb::CreateSourceRequest {
            parent: collection,
            source_id: id.to_owned(),
            source: Some(pb::Source { location, ..Default::default() }),
            ..Default::default()
        };
        server.sources.create_source(request).await.unwrap();
    }
    server
}

/// What a caller sees of all workspaces, kind by kind.
async fn seen(caller: &mut Clients) -> [Vec<String>; 5] {
    let parent = "workspaces/-".to_owned();
    let ids = |names: Vec<String>| names.iter().map(|name| id_of(name)).collect::<Vec<_>>();
    let workspaces =
        caller.workspaces.list_workspaces(pb::ListWorkspacesRequest::default()).await.unwrap().into_inner();
    let request = pb::ListCollectionsRequest { parent: parent.clone(), ..Default::default() };
    let collections = caller.collections.list_collections(request).await.unwrap().into_inner();
    let request = pb::ListSnapshotsRequest { parent: parent.clone(), ..Default::default() };
    let snapshots = caller.snapshots.list_snapshots(request).await.unwrap().into_inner();
    let request = pb::ListRestoresRequest { parent: parent.clone(), ..Default::default() };
    let restores = caller.restores.list_restores(request).await.unwrap().into_inner();
    let request = pb::ListSourcesRequest { parent: format!("{parent}/collections/-"), ..Default::default() };
    let sources = caller.sources.list_sources(request).await.unwrap().into_inner();
    [
        ids(workspaces.workspaces.into_iter().map(|w| w.name).collect()),
        ids(collections.collections.into_iter().map(|c| c.name).collect()),
        ids(snapshots.snapshots.into_iter().map(|s| s.name).collect()),
        ids(restores.restores.into_iter().map(|r| r.name).collect()),
        ids(sources.sources.into_iter().map(|s| s.name).collect()),
    ]
}

#[apply(on_directory!)]
async fn a_caller_sees_its_own_workspaces() {
    let server = given_two_of_everything().await;
    let mut root = server.given_operator().await;
    let here = root.given_key("here", &[("here", Role::Reader)]).await;
    let all = root.given_key("all", &[("-", Role::Reader)]).await;
    let everything = [
        vec!["commons", "here", "there"],
        vec!["here", "here-restored", "there", "there-restored"],
        vec!["here", "there"],
        vec!["here", "there"],
        vec!["here", "there"],
    ];
    assert_eq!(seen(&mut server.caller(Some(&all))).await, everything);
    let own = [vec!["here"], vec!["here", "here-restored"], vec!["here"], vec!["here"], vec!["here"]];
    assert_eq!(seen(&mut server.caller(Some(&here))).await, own);
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_page_token_of_one_caller_shows_another_nothing_more() {
    let mut server = TestServer::start().await;
    for id in ["here", "there", "where"] {
        server.given_workspace(id).await;
    }
    let mut root = server.given_operator().await;
    let here = root.given_key("here", &[("here", Role::Reader)]).await;
    let page = |page_token: String| pb::ListWorkspacesRequest { page_size: 2, page_token, ..Default::default() };
    let first = root.workspaces.list_workspaces(page(String::new())).await.unwrap().into_inner();
    assert!(!first.next_page_token.is_empty());
    let mut here = server.caller(Some(&here));
    let second = here.workspaces.list_workspaces(page(first.next_page_token)).await.unwrap().into_inner();
    assert_eq!(second.workspaces, []);
    server.stop().await;
}
