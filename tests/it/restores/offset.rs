//! A restored collection goes on from its snapshot.

use crate::support::{TestServer, delete, upsert};

#[apply(on_each_storage!)]
async fn the_offset_goes_on_from_the_snapshots() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_documents("books", 50, 2).await;
    let snapshot = server.given_snapshot("books", "monday").await;
    server.given_documents("books", 50, 3).await;
    server.given_restore("monday", "again").await;
    assert_eq!((snapshot.offset, server.stats("again").await.offset), (100, 100));
    let answer = server.write("again", vec![upsert("x", "{}"), delete("000000")]).await;
    assert_eq!(answer.offset, 102);
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.stats("again").await.offset, 102);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn its_first_snapshot_bills_all_of_it() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    server.given_restore("monday", "again").await;
    server.write("again", vec![upsert("000000", "{}")]).await;
    let first = server.given_snapshot("again", "first").await;
    assert_eq!(first.incremental_bytes, first.size_bytes);
    assert_eq!(first.new_file_bytes, first.referenced_bytes);
    server.write("again", vec![upsert("000001", "{}")]).await;
    let second = server.given_snapshot("again", "second").await;
    assert_eq!(second.incremental_bytes, 6 + 8 + 2);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_unchanged_copy_bills_all_of_it_too() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    server.given_restore("monday", "again").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    let first = server.given_snapshot("again", "first").await;
    assert_eq!(first.incremental_bytes, first.size_bytes);
    assert_eq!(server.given_snapshot("again", "second").await.incremental_bytes, 0);
    server.stop().await;
}
