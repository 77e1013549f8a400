//! Deleting a snapshot.

use stillframe::pb::snapshot::State;
use tonic::Code;

use crate::support::{TestServer, eventually, refused};

#[apply(on_each_storage!)]
async fn deleting_twice_is_not_found() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s").await;
    server.delete_snapshot("s").await.unwrap();
    refused(server.delete_snapshot("s").await, Code::NotFound, "NOT_FOUND");
    refused(server.delete_snapshot("never").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_that_is_still_requested_is_deleted_and_leaves_nothing() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    server.delete_snapshot("s").await.unwrap();
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Deleted);
    block.lift();
    server.given_snapshot("books", "t").await;
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Deleted, "no worker brings it back");
    server.delete_snapshot("t").await.unwrap();
    server.delete_collection("books").await.unwrap();
    eventually("nothing keeps the files", async || !server.has_files(&collection.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn deleting_while_it_is_being_taken_leaves_nothing() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    for n in 0..10 {
        let id = format!("s{n}");
        server.request_snapshot("books", &id).await.unwrap();
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        server.delete_snapshot(&id).await.unwrap();
        let last = server.watch_snapshot(&id).await.pop().unwrap();
        assert_eq!(last.state(), State::Deleted);
    }
    let created = server.given_snapshot("books", "kept").await;
    assert_eq!(created.digest, server.stats("books").await.digest);
    server.delete_snapshot("kept").await.unwrap();
    server.delete_collection("books").await.unwrap();
    eventually("nothing keeps the files", async || !server.has_files(&collection.uid)).await;
    server.stop().await;
}
