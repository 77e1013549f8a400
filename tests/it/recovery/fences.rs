//! Each open of a database leaves an empty log behind. A copy needs the numbers
//! of all of them, also when the source has been deleted and trimmed.

use crate::support::{TestServer, eventually};

#[apply(on_directory!)]
async fn a_snapshot_behind_many_opens_is_restored_when_its_collection_is_gone() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    let before = server.scan("books").await;
    for _ in 0..5 {
        let dir = server.stop().await;
        server = TestServer::reopen(dir).await;
        assert_eq!(server.scan("books").await.len(), 50);
    }
    server.given_snapshot("books", "monday").await;
    // Nobody's file, too young for garbage collection: it goes when the deleted
    // collection is trimmed.
    let unneeded = server.files(&books.uid).join("compacted/7ZZZZZZZZZZZZZZZZZZZZZZZZZ.sst");
    std::fs::write(&unneeded, b"").unwrap();
    let request = stillframe::pb::DeleteCollectionRequest { name: books.name.clone(), ..Default::default() };
    server.collections.delete_collection(request).await.unwrap();
    eventually("the collection is trimmed", async || !unneeded.exists()).await;
    server.given_restore("monday", "again").await;
    assert_eq!(server.scan("again").await, before);
    server.stop().await;
}
