//! The main job, whole.

use crate::support::{TestServer, delete, upsert};

#[apply(on_each_storage!)]
async fn a_snapshot_is_restored_while_its_source_goes_on() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 500, 1).await;
    let before = server.scan("books").await;
    let stats = server.stats("books").await;

    let snapshot = server.given_snapshot("books", "monday").await;
    assert_eq!((snapshot.document_count, snapshot.digest.as_str()), (500, stats.digest.as_str()));
    assert_eq!(snapshot.incremental_bytes, snapshot.size_bytes, "all of it for the first");

    server.write("books", vec![upsert("000000", "{}"), delete("000001"), upsert("new", "{}")]).await;
    let restore = server.given_restore("monday", "again").await;
    let receipt = restore.receipt.unwrap();
    assert_eq!((receipt.documents_restored, receipt.digest), (500, stats.digest.clone()));
    assert_eq!(server.scan("again").await, before);
    assert_eq!(server.stats("again").await.digest, stats.digest);

    server.write("again", vec![delete("000002")]).await;
    assert_eq!(server.scan("again").await.len(), 499);
    assert_eq!(server.scan("books").await.len(), 500);
    server.stop().await;
}
