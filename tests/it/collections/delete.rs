//! Deleting unbinds the name; the bytes go afterwards.

use tonic::Code;

use crate::support::{TestServer, eventually, refused};

#[apply(on_each_storage!)]
async fn a_deleted_collection_is_gone() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.delete_collection("books").await.unwrap();
    refused(server.collection("books").await, Code::NotFound, "NOT_FOUND");
    refused(server.delete_collection("books").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn its_bytes_are_given_back() {
    let mut server = TestServer::start().await;
    let created = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    assert!(server.has_files(&created.uid));
    server.delete_collection("books").await.unwrap();
    eventually("the bytes go", async || !server.has_files(&created.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restart_finishes_what_was_left_of_a_deletion() {
    let mut server = TestServer::start().await;
    let created = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.delete_collection("books").await.unwrap();
    let mut server = TestServer::reopen(server.stop().await).await;
    refused(server.collection("books").await, Code::NotFound, "NOT_FOUND");
    eventually("the bytes go", async || !server.has_files(&created.uid)).await;
    server.stop().await;
}
