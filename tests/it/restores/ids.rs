//! Ids of restores.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, collection_name, id_of, refused, restore_request};

#[apply(on_each_storage!)]
async fn a_restore_without_an_id_gets_one() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let unnamed = |collection: &str| pb::CreateRestoreRequest {
        restore_id: String::new(),
        ..restore_request("monday", collection)
    };
    let one = server.create_restore(unnamed("one")).await.unwrap();
    let two = server.create_restore(unnamed("two")).await.unwrap();
    assert_ne!(one.name, two.name);
    for restore in [one, two] {
        let id = id_of(&restore.name);
        server.ended_restore(&id).await;
        assert_eq!(server.get_restore(&id).await.unwrap().uid, restore.uid);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_id_is_taken_also_by_an_ended_restore() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let first = server.given_restore("monday", "r").await;
    server.delete_collection("r").await.unwrap();
    let mut request = restore_request("monday", "r");
    refused(server.create_restore(request.clone()).await, Code::AlreadyExists, "RESTORE_EXISTS");
    request.restore.as_mut().unwrap().collection = collection_name("other");
    refused(server.create_restore(request).await, Code::AlreadyExists, "RESTORE_EXISTS");
    refused(server.collection("other").await, Code::NotFound, "NOT_FOUND");
    assert_eq!(server.get_restore("r").await.unwrap(), first);
    server.stop().await;
}
