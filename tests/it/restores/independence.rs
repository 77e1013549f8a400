//! What is restored is a collection of its own (R2).

use stillframe::documents::CopyMode;

use crate::support::{TestServer, delete, eventually, upsert};

async fn both_go_their_ways(mode: CopyMode) {
    let mut server = TestServer::start_with(|config| config.copy_mode = mode).await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    server.given_restore("monday", "again").await;
    let common = server.scan("books").await;

    server.write("books", vec![upsert("000000", r#"{"side":"source"}"#), delete("000001")]).await;
    assert_eq!(server.scan("again").await, common);
    let source = server.scan("books").await;
    server.write("again", vec![upsert("000002", r#"{"side":"copy"}"#), delete("000003"), upsert("x", "{}")]).await;
    assert_eq!(server.scan("books").await, source);
    let copy = server.scan("again").await;

    let source_uid = server.collection("books").await.unwrap().uid;
    server.delete_snapshot("monday").await.unwrap();
    server.delete_collection("books").await.unwrap();
    eventually("the source goes", async || !server.has_files(&source_uid)).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.scan("again").await, copy);
    assert_eq!(server.stats("again").await.document_count, 100);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn linked_files_are_never_written_through() {
    both_go_their_ways(CopyMode::Link).await;
}

#[apply(on_each_storage!)]
async fn copied_files_neither() {
    both_go_their_ways(CopyMode::Bytes).await;
}

#[apply(on_each_storage!)]
async fn deleting_the_copy_leaves_the_source() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    server.given_snapshot("books", "monday").await;
    let made = server.given_restore("monday", "again").await;
    server.delete_collection("again").await.unwrap();
    eventually("the copy goes", async || !server.has_files(&made.collection_uid)).await;
    assert_eq!(server.scan("books").await, before);
    let mut server = TestServer::reopen(server.stop().await).await;
    server.given_restore("monday", "third").await;
    assert_eq!(server.scan("third").await, before);
    server.stop().await;
}
