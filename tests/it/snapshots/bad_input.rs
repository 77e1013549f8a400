//! Ids, names and texts of every wrong shape.

use stillframe::pb;

use crate::support::{BAD_IDS, COMMONS, TestServer, labels, refused_fields};

#[apply(on_each_storage!)]
async fn ids_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for id in BAD_IDS {
        refused_fields(server.request_snapshot("books", id).await, &["snapshot_id"]);
        refused_fields(server.request_snapshot(id, "s").await, &["snapshot.collection"]);
        refused_fields(server.get_snapshot(id).await, &["name"]);
        refused_fields(server.delete_snapshot(id).await, &["name"]);
        let name = format!("{COMMONS}/snapshots/{id}");
        let watched = server.snapshots.watch_snapshot(pb::WatchSnapshotRequest { name: name.clone() }).await;
        refused_fields(watched, &["name"]);
        let update = pb::Snapshot { name, ..Default::default() };
        refused_fields(server.update_snapshot(update, None).await, &["snapshot.name"]);
    }
    server.given_snapshot("books", &"x".repeat(128)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_required_is_required() {
    let mut server = TestServer::start().await;
    let answer = server.snapshots.create_snapshot(pb::CreateSnapshotRequest::default()).await;
    refused_fields(answer, &["parent", "snapshot"]);
    let answer = server.snapshots.update_snapshot(pb::UpdateSnapshotRequest::default()).await;
    refused_fields(answer, &["snapshot"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_answer_names_everything_that_is_wrong() {
    let mut server = TestServer::start().await;
    let request = pb::CreateSnapshotRequest {
        parent: "workspaces/-".to_owned(),
        snapshot_id: "a.b".to_owned(),
        snapshot: Some(pb::Snapshot {
            collection: "books".to_owned(),
            description: "d".repeat(4097),
            labels: labels([("", "")]),
            expiration: Some(pb::snapshot::Expiration::Ttl(prost_types::Duration { seconds: -1, nanos: 0 })),
            ..Default::default()
        }),
        request_id: "r".repeat(129),
        min_offset: Some(-1),
    };
    let all = [
        "request_id",
        "parent",
        "snapshot_id",
        "snapshot.collection",
        "min_offset",
        "snapshot.description",
        "snapshot.labels",
        "snapshot.ttl",
    ];
    refused_fields(server.snapshots.create_snapshot(request).await, &all);
    server.stop().await;
}
