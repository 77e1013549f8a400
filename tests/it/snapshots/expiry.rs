//! From its expire_time on a snapshot is unusable (S5).

use std::time::Duration;

use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{DAY, EDGE, MINUTE, TestServer, almost, eventually, micros, refused, with_ttl};

/// Takes a snapshot whose time is over at the end. Returns it as it is read then, and
/// whether its record is as it was.
async fn given_expired(server: &mut TestServer, id: &str) -> (pb::Snapshot, bool) {
    server.create_snapshot("books", id, with_ttl(DAY)).await.unwrap();
    let created = server.watch_snapshot(id).await.pop().unwrap();
    server.clock.advance(almost(DAY));
    assert_eq!(server.get_snapshot(id).await.unwrap().state(), State::Created);
    server.clock.advance(EDGE);
    let expired = server.get_snapshot(id).await.unwrap();
    assert_eq!(expired.state(), State::Expired);
    let untouched = expired.etag == created.etag;
    (expired, untouched)
}

#[apply(on_each_storage!)]
async fn it_is_expired_at_once_before_any_sweep() {
    let mut server = TestServer::start_with(|config| config.sweep_every = Duration::from_secs(3600)).await;
    server.given_collection("books").await;
    // Behind what it has taken the worker looks once more. Where that look comes late,
    // it is a sweep, and tells nothing about the time before any.
    let (mut expired, mut untouched) = given_expired(&mut server, "s").await;
    for _ in 0..3 {
        if !untouched {
            (expired, untouched) = given_expired(&mut server, "s").await;
        }
    }
    assert!(untouched, "nothing has touched the record");

    let answer = server.request_restore("s", "again").await;
    refused(answer, Code::FailedPrecondition, "SNAPSHOT_EXPIRED");
    let update = pb::Snapshot { name: expired.name.clone(), ..with_ttl(MINUTE) };
    let answer = server.update_snapshot(update, None).await;
    refused(answer, Code::FailedPrecondition, "SNAPSHOT_EXPIRED");
    refused(server.delete_snapshot("s").await, Code::NotFound, "NOT_FOUND");
    assert!(server.snapshot_ids(false).await.is_empty());
    let ids = server.snapshot_ids(true).await;
    assert!(!ids.is_empty() && ids.iter().all(|id| id == "s"), "{ids:?}");
    assert_eq!(server.get_snapshot("s").await.unwrap().uid, expired.uid);
    assert_eq!(server.watch_snapshot("s").await.len(), 1, "there is nothing to wait for");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_sweep_records_it_and_gives_the_data_back() {
    let mut server = TestServer::start().await;
    let collection = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let created = server.given_snapshot("books", "s").await;
    server.delete_collection("books").await.unwrap();
    let list = server.dir.path().join(format!("storage/files/{}", created.uid));
    assert!(list.exists());
    server.clock.advance(7 * DAY);
    eventually("the bytes go", async || !server.has_files(&collection.uid) && !list.exists()).await;
    let expired = server.get_snapshot("s").await.unwrap();
    assert_eq!(expired.state(), State::Expired);
    assert!(micros(expired.update_time.as_ref()) > micros(created.update_time.as_ref()));
    assert_eq!((expired.document_count, expired.digest), (created.document_count, created.digest));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_longer_expiry_is_honoured() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.create_snapshot("books", "s", with_ttl(EDGE)).await.unwrap();
    let created = server.watch_snapshot("s").await.pop().unwrap();
    let update = pb::Snapshot { name: created.name, ..with_ttl(2 * DAY) };
    server.update_snapshot(update, None).await.unwrap();
    server.clock.advance(DAY);
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Created);
    server.given_restore("s", "again").await;
    server.stop().await;
}
