//! A collection is created, read and deleted; its name is free at once.

use stillframe::pb::{self, collection::State};
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, labels, micros, refused, upsert};

#[apply(on_each_storage!)]
async fn a_collection_is_ready_at_once() {
    let mut server = TestServer::start().await;
    let request = pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "books".to_owned(),
        collection: Some(pb::Collection {
            description: "All books".to_owned(),
            labels: labels([("team", "search")]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let created = server.collections.create_collection(request).await.unwrap().into_inner();
    assert_eq!((created.name.clone(), created.state()), (collection_name("books"), State::Ready));
    assert_eq!((created.description.as_str(), &created.labels), ("All books", &labels([("team", "search")])));
    assert_eq!((created.uid.len(), &created.uid[14..15]), (36, "7"), "a UUIDv7");
    assert_eq!(micros(created.create_time.as_ref()), micros(created.update_time.as_ref()));
    assert!(created.restore_info.is_none() && created.retention.is_none() && created.clustering_interval.is_none());
    assert_eq!(server.collection("books").await.unwrap(), created);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_existing_name_is_refused() {
    let mut server = TestServer::start().await;
    let first = server.given_collection("books").await;
    let again = server.create_collection(COMMONS, "books").await;
    refused(again, Code::AlreadyExists, "COLLECTION_EXISTS");
    assert_eq!(server.collection("books").await.unwrap(), first);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_workspace_must_exist() {
    let mut server = TestServer::start().await;
    let created = server.create_collection("workspaces/nobody", "books").await;
    refused(created, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_same_id_in_two_workspaces_is_two_collections() {
    let mut server = TestServer::start().await;
    server.given_workspace("team").await;
    let ours = server.given_collection("books").await;
    let theirs = server.create_collection("workspaces/team", "books").await.unwrap();
    assert_ne!(ours.uid, theirs.uid);
    server.write("books", vec![upsert("1", "{}")]).await;
    let request = pb::GetCollectionRequest { name: theirs.name };
    let theirs = server.collections.get_collection(request).await.unwrap().into_inner();
    assert_eq!(theirs.stats.unwrap().document_count, 0);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_created_again_is_new_and_empty() {
    let mut server = TestServer::start().await;
    let first = server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.delete_collection("books").await.unwrap();
    let second = server.given_collection("books").await;
    assert_ne!(second.uid, first.uid);
    let stats = second.stats.unwrap();
    assert_eq!((stats.document_count, stats.offset, stats.size_bytes), (0, 0, 0));
    assert!(server.scan("books").await.is_empty());
    server.stop().await;
}
