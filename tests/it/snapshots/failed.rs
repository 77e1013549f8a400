//! A snapshot that could not be taken says why.

use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{TestServer, refused, snapshot_name, upsert};

#[apply(on_each_storage!)]
async fn a_failed_snapshot_says_why() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let failed = server.given_failed_snapshot("books", "s").await;
    let error = failed.error.unwrap();
    assert_eq!((Code::from(error.code), error.details.len()), (Code::DataLoss, 1));
    let before = server.get_snapshot("before-s").await.unwrap();
    let (folder, missing) = (format!("collections/{}/compacted/", before.collection_uid), ".sst is missing");
    assert!(error.message.contains(&folder) && error.message.ends_with(missing), "{}", error.message);
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Failed);
    assert_eq!(server.snapshot_ids(false).await, ["before-s", "s"], "it did not end as its caller wanted");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn it_can_neither_be_restored_nor_updated_but_deleted() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    server.given_failed_snapshot("books", "s").await;
    let restored = server.request_restore("s", "again").await;
    refused(restored, Code::FailedPrecondition, "SNAPSHOT_NOT_READY");
    let change = pb::Snapshot { name: snapshot_name("s"), description: "d".to_owned(), ..Default::default() };
    let updated = server.update_snapshot(change, None).await;
    refused(updated, Code::FailedPrecondition, "SNAPSHOT_NOT_READY");
    server.delete_snapshot("s").await.unwrap();
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Deleted);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn its_id_and_its_bill_go_to_the_next() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.given_snapshot("books", "s0").await;
    server.write("books", vec![upsert("000000", "{}")]).await;
    let failed = server.given_failed_behind(&before, "books", "s").await;
    let next = server.given_snapshot("books", "s").await;
    assert_ne!(next.uid, failed.uid);
    assert_eq!(next.incremental_bytes, 6 + 8 + 2, "what changed before the failure is billed");
    server.stop().await;
}
