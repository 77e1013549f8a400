//! A collection that a restore is filling.

use stillframe::pb::{self, collection::State, restore};
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, refused, upsert};

#[apply(on_each_storage!)]
async fn it_can_be_read_but_not_used() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();

    assert_eq!(server.collection("again").await.unwrap().state(), State::Restoring);
    let created = server.create_collection(COMMONS, "again").await;
    refused(created, Code::AlreadyExists, "COLLECTION_EXISTS");
    let request = pb::WriteDocumentsRequest {
        collection: collection_name("again"),
        writes: vec![upsert("1", "{}")],
        ..Default::default()
    };
    let written = server.documents.write_documents(request).await;
    refused(written, Code::FailedPrecondition, "COLLECTION_NOT_READY");
    refused(server.delete_collection("again").await, Code::FailedPrecondition, "COLLECTION_NOT_READY");

    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), restore::State::Succeeded);
    assert_eq!(server.collection("again").await.unwrap().state(), State::Ready);
    server.delete_collection("again").await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn it_is_not_deleted_while_its_restore_is_pending_either() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_pins();
    server.request_restore("monday", "again").await.unwrap();
    assert_eq!(server.get_restore("again").await.unwrap().state(), restore::State::Pending);
    refused(server.delete_collection("again").await, Code::FailedPrecondition, "COLLECTION_NOT_READY");
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), restore::State::Succeeded);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_said_about_it_meanwhile_stays() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    let restoring = server.collection("again").await.unwrap();
    let change = pb::Collection { description: "mine".to_owned(), ..restoring };
    server.update_collection(change, None).await.unwrap();
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), restore::State::Succeeded);
    let ready = server.collection("again").await.unwrap();
    assert_eq!((ready.state(), ready.description.as_str()), (State::Ready, "mine"));
    server.stop().await;
}
