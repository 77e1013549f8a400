//! Statistics are exact (D2), open or closed.

use std::time::Duration;

use stillframe::pb;

use crate::support::{COMMONS, TestServer, delete, eventually, upsert};

#[apply(on_each_storage!)]
async fn they_count_documents_bytes_and_writes() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let writes = vec![upsert("a", r#"{"n":1}"#), upsert("bb", "{}"), upsert("c", "{}"), delete("c"), delete("none")];
    server.write("books", writes).await;
    let stats = server.stats("books").await;
    assert_eq!((stats.document_count, stats.size_bytes), (2, (1 + 8 + 7) + (2 + 8 + 2)));
    assert_eq!((stats.offset, stats.expired_document_count), (4, 0), "a delete of nothing changes nothing");
    assert!(stats.digest.starts_with("v1:") && stats.digest.len() == 3 + 32, "{}", stats.digest);
    assert!(stats.oldest_event_time.is_some() && stats.newest_event_time.is_some());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_empty_collection_has_no_event_times() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.write("books", vec![upsert("a", "{}"), delete("a")]).await;
    let stats = server.stats("books").await;
    assert_eq!((stats.document_count, stats.size_bytes, stats.offset), (0, 0, 2));
    assert_eq!((stats.oldest_event_time, stats.newest_event_time), (None, None));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn they_are_known_after_a_restart_without_opening() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.stats("books").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
    let listed = server.collections.list_collections(request).await.unwrap().into_inner().collections;
    let stats = listed.into_iter().next().unwrap().stats.unwrap();
    assert_eq!((stats.document_count, stats.offset, &stats.digest), (100, 100, &before.digest));
    assert_eq!(server.stats("books").await, stats);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_idle_collection_is_closed_and_keeps_its_stats() {
    let mut server = TestServer::start_with(|config| config.tuning.idle_close = Duration::from_millis(50)).await;
    let created = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.stats("books").await;
    // Closing flushes what was only in the log.
    eventually("it is closed", async || !server.data_files(&created.uid).is_empty()).await;
    let after = server.stats("books").await;
    assert_eq!((after.document_count, after.offset, after.digest), (100, 100, before.digest));
    assert_eq!(server.scan("books").await.len(), 100);
    server.stop().await;
}
