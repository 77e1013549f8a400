//! What becomes of good writes.

use stillframe::pb::write_result::Status::{Added, Deleted, NotFound, Patched, Replaced};
use stillframe::pb::{self, patch_operation::Op};

use super::{fields, op, patch, upsert_of};
use crate::support::{TestServer, delete, json, upsert};

#[apply(on_each_storage!)]
async fn each_write_says_what_became_of_it_in_order() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("old", "{}")).await;
    let increment = || vec![op(Op::Add, "/n", "1")];
    let writes =
        vec![upsert("new", "{}"), upsert("old", "{}"), patch("old", increment()), delete("old"), delete("never")];
    let response = server.write("c", [writes, vec![patch("never", increment())]].concat()).await;
    let found: Vec<_> = response.results.iter().map(|r| (r.index, r.id.as_str(), r.status())).collect();
    let expected = [
        (0, "new", Added),
        (1, "old", Replaced),
        (2, "old", Patched),
        (3, "old", Deleted),
        (4, "never", NotFound),
        (5, "never", NotFound),
    ];
    assert_eq!(found, expected);
    assert_eq!(response.offset, 5, "one write before, four that changed something");
    assert!(response.results.iter().all(|result| result.error.is_none()));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_etag_is_that_of_the_document_as_it_is_read() {
    let mut server = TestServer::with_collection().await;
    let response = server.write("c", vec![upsert("a", "{}"), upsert("b", r#"{"n":1}"#), delete("a")]).await;
    let etag = server.read("b").await.unwrap().etag;
    assert_eq!(etag.len(), 32);
    assert_eq!(response.results[1].etag, etag);
    assert_eq!(response.results[2].etag, "", "there is no document any more");
    assert_ne!(response.results[0].etag, response.results[1].etag);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_offset_counts_writes_that_changed_something() {
    let mut server = TestServer::with_collection().await;
    assert_eq!(server.write("c", vec![delete("a")]).await.offset, 0, "nothing to delete");
    assert_eq!(server.write("c", vec![upsert("a", "{}"), upsert("a", "{}")]).await.offset, 2);
    assert_eq!(server.write("c", vec![upsert("b", "[]"), delete("a")]).await.offset, 3, "one failed");
    assert_eq!(server.stats("c").await.offset, 3);
    let dir = server.stop().await;
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.write("c", vec![upsert("a", "{}")]).await.offset, 4, "it goes on after a restart");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_upsert_without_id_gets_a_uuid_of_version_7() {
    let mut server = TestServer::with_collection().await;
    let response = server.write("c", vec![upsert("", r#"{"n":1}"#), upsert_of(fields("", []))]).await;
    let ids: Vec<_> = response.results.iter().map(|result| result.id.clone()).collect();
    assert_ne!(ids[0], ids[1]);
    for id in &ids {
        assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
    }
    assert_eq!(json(&server.read(&ids[0]).await.unwrap()), r#"{"n":1}"#);
    assert_eq!(json(&server.read(&ids[1]).await.unwrap()), "{}");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn writes_to_one_id_in_a_batch_see_each_other() {
    let mut server = TestServer::with_collection().await;
    let more = || patch("a", vec![op(Op::Increment, "/n", "1")]);
    let writes = vec![upsert("a", r#"{"n":1}"#), more(), delete("a"), more(), upsert("a", r#"{"n":5}"#), more()];
    assert_eq!(server.statuses(writes).await, [Added, Patched, Deleted, NotFound, Added, Patched]);
    assert_eq!(json(&server.read("a").await.unwrap()), r#"{"n":6}"#);
    let stats = server.stats("c").await;
    assert_eq!((stats.document_count, stats.size_bytes, stats.offset), (1, 1 + 8 + 7, 5));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn batches_from_many_clients_are_each_applied_whole() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("a", r#"{"n":0}"#)).await;
    let writer = |n: i32| {
        let mut documents = server.documents.clone();
        async move {
            let writes = vec![patch("a", vec![op(Op::Increment, "/n", "1")]), upsert(&format!("own-{n}"), "{}")];
            let collection = crate::support::collection_name("c");
            let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
            documents.write_documents(request).await.unwrap().into_inner()
        }
    };
    let answers = futures::future::join_all((0..50).map(writer)).await;
    let mut offsets: Vec<i64> = answers.iter().map(|answer| answer.offset).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (1..=50).map(|n| 1 + 2 * n).collect::<Vec<_>>(), "each batch has an offset of its own");
    assert_eq!(json(&server.read("a").await.unwrap()), r#"{"n":50}"#);
    server.stop().await;
}
