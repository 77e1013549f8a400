//! Ids, names and texts of every wrong shape.

use stillframe::pb;

use crate::support::{BAD_IDS, COMMONS, TestServer, labels, refused_fields};

#[apply(on_each_storage!)]
async fn ids_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    for id in BAD_IDS {
        refused_fields(server.create_collection(COMMONS, id).await, &["collection_id"]);
        refused_fields(server.create_collection(&format!("workspaces/{id}"), "c").await, &["parent"]);
        refused_fields(server.collection(id).await, &["name"]);
        refused_fields(server.delete_collection(id).await, &["name"]);
    }
    server.given_collection(&"x".repeat(128)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn names_of_a_wrong_shape_are_refused() {
    let mut server = TestServer::start().await;
    let names = [
        "",
        "books",
        "collections/books",
        "workspaces/commons/books",
        "workspaces/commons/snapshots/books",
        "workspaces/commons/collections/books/",
        "/workspaces/commons/collections/books",
        "workspaces//collections/books",
        "workspaces/-/collections/books",
    ];
    for name in names {
        let get = pb::GetCollectionRequest { name: name.to_owned() };
        refused_fields(server.collections.get_collection(get).await, &["name"]);
        let update = pb::Collection { name: name.to_owned(), ..Default::default() };
        refused_fields(server.update_collection(update, None).await, &["collection.name"]);
    }
    refused_fields(server.create_collection("workspaces/-", "books").await, &["parent"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_answer_names_everything_that_is_wrong() {
    let mut server = TestServer::start().await;
    let request = pb::CreateCollectionRequest {
        parent: "nowhere".to_owned(),
        collection_id: "a.b".to_owned(),
        collection: Some(pb::Collection {
            description: "d".repeat(4097),
            labels: labels([("", "")]),
            ..Default::default()
        }),
        request_id: "r".repeat(129),
    };
    let all = ["request_id", "parent", "collection_id", "collection.description", "collection.labels"];
    refused_fields(server.collections.create_collection(request).await, &all);
    server.stop().await;
}
