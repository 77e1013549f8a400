//! Ids, names and texts of every wrong shape.

use stillframe::pb;

use crate::support::{BAD_IDS, TestServer, labels, refused_fields, restore_name, restore_request};

#[apply(on_each_storage!)]
async fn ids_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    for id in BAD_IDS {
        let request = pb::CreateRestoreRequest { restore_id: (*id).to_owned(), ..restore_request("monday", "c") };
        refused_fields(server.create_restore(request).await, &["restore_id"]);
        let request = pb::CreateRestoreRequest { restore_id: "r".to_owned(), ..restore_request(id, id) };
        refused_fields(server.create_restore(request).await, &["restore.snapshot", "restore.collection"]);
        refused_fields(server.get_restore(id).await, &["name"]);
        refused_fields(server.cancel_restore(id).await, &["name"]);
        let watch = pb::WatchRestoreRequest { name: restore_name(id) };
        refused_fields(server.restores.watch_restore(watch).await, &["name"]);
    }
    server.given_restore("monday", &"x".repeat(128)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_required_is_required() {
    let mut server = TestServer::start().await;
    refused_fields(server.create_restore(pb::CreateRestoreRequest::default()).await, &["parent", "restore"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_answer_names_everything_that_is_wrong() {
    let mut server = TestServer::start().await;
    let request = pb::CreateRestoreRequest {
        parent: "workspaces/-".to_owned(),
        restore_id: "a.b".to_owned(),
        restore: Some(pb::Restore {
            snapshot: "monday".to_owned(),
            collection: "books".to_owned(),
            description: "d".repeat(4097),
            labels: labels([("", "")]),
            retention: Some(prost_types::Duration { seconds: 0, nanos: 0 }),
            verification: 7,
            ..Default::default()
        }),
        request_id: "r".repeat(129),
        validate_only: true,
    };
    let all = [
        "request_id",
        "parent",
        "restore_id",
        "restore.snapshot",
        "restore.collection",
        "restore.description",
        "restore.labels",
        "restore.retention",
        "restore.verification",
    ];
    refused_fields(server.create_restore(request).await, &all);
    server.stop().await;
}
