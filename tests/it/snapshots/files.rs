//! Files live as long as a snapshot keeps them (S2), and go with the last.

use crate::support::{TestServer, eventually, has_files};

#[apply(on_each_storage!)]
async fn a_deleted_collection_keeps_exactly_what_its_snapshots_need() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let first = server.given_snapshot("books", "s1").await;
    server.given_documents("books", 100, 2).await;
    let second = server.given_snapshot("books", "s2").await;
    server.given_documents("books", 500, 3).await;
    server.delete_collection("books").await.unwrap();
    let bytes = |server: &TestServer| server.data_bytes(&collection.uid);

    let [first_bytes, second_bytes] = [&first, &second].map(|snapshot| server.file_bytes(snapshot));
    let both = second_bytes.max(first_bytes + second.new_file_bytes - server.own_bytes(&second.uid));
    eventually("only what both need stays", async || bytes(&server) == both).await;
    server.delete_snapshot("s2").await.unwrap();
    eventually("only what the first needs stays", async || bytes(&server) == first_bytes).await;
    server.given_restore("s1", "again").await;
    assert_eq!(server.stats("again").await.digest, first.digest);
    server.delete_snapshot("s1").await.unwrap();
    eventually("nothing stays", async || !server.has_files(&collection.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_keeps_its_files_over_restarts() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let snapshot = server.given_snapshot("books", "s1").await;
    server.given_documents("books", 100, 2).await;
    server.delete_collection("books").await.unwrap();
    let bytes = server.file_bytes(&snapshot);
    let mut server = TestServer::reopen(server.stop().await).await;
    eventually("only what it needs stays", async || server.data_bytes(&collection.uid) == bytes).await;
    let mut server = TestServer::reopen({
        server.given_restore("s1", "again").await;
        server.stop().await
    })
    .await;
    assert_eq!(server.stats("again").await.digest, snapshot.digest);
    server.delete_snapshot("s1").await.unwrap();
    let server = TestServer::reopen(server.stop().await).await;
    eventually("nothing stays", async || !server.has_files(&collection.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn nothing_of_an_ended_snapshot_stays() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    for id in ["s1", "s2", "s3"] {
        server.given_snapshot("books", id).await;
        server.delete_snapshot(id).await.unwrap();
    }
    for folder in ["files", "manifests"] {
        let own = server.dir.path().join("storage").join(folder);
        eventually("nothing of its own is left", async || !has_files(&own)).await;
    }
    server.stop().await;
}
