//! What remains of a snapshot that has ended.

use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{COMMONS, DAY, EDGE, TestServer, almost, eventually, refused};

#[apply(on_each_storage!)]
async fn a_deleted_snapshot_stays_readable_for_seven_days() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let created = server.given_snapshot("books", "s").await;
    server.delete_snapshot("s").await.unwrap();
    let deleted = server.get_snapshot("s").await.unwrap();
    assert_eq!((deleted.state(), deleted.uid.as_str()), (State::Deleted, created.uid.as_str()));
    assert_eq!((deleted.size_bytes, deleted.incremental_bytes), (created.size_bytes, created.incremental_bytes));
    assert!(server.snapshot_ids(false).await.is_empty());
    assert_eq!(server.snapshot_ids(true).await, ["s"]);

    server.clock.advance(almost(7 * DAY));
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Deleted);
    server.clock.advance(EDGE);
    eventually("it is forgotten", async || server.get_snapshot("s").await.is_err()).await;
    refused(server.get_snapshot("s").await, Code::NotFound, "NOT_FOUND");
    assert!(server.snapshot_ids(true).await.is_empty());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_expired_snapshot_stays_readable_for_seven_days() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let created = server.given_snapshot("books", "s").await;
    server.clock.advance(7 * DAY);
    eventually("it is swept", async || server.get_snapshot("s").await.unwrap().etag != created.etag).await;
    // This server's clock is where it was a week ago.
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.get_snapshot("s").await.unwrap().state(), State::Expired);
    server.clock.advance(15 * DAY);
    eventually("it is forgotten", async || server.get_snapshot("s").await.is_err()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_id_of_an_ended_one_is_free_at_once() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let first = server.given_snapshot("books", "s").await;
    refused(server.request_snapshot("books", "s").await, Code::AlreadyExists, "SNAPSHOT_EXISTS");
    server.delete_snapshot("s").await.unwrap();
    let second = server.given_snapshot("books", "s").await;
    assert_ne!(second.uid, first.uid);
    assert_eq!(server.get_snapshot("s").await.unwrap().uid, second.uid, "the newest bearer");

    let request = pb::ListSnapshotsRequest { parent: COMMONS.to_owned(), show_deleted: true, ..Default::default() };
    let listed = server.snapshots.list_snapshots(request).await.unwrap().into_inner().snapshots;
    let states: Vec<_> = listed.iter().map(|snapshot| (snapshot.uid.clone(), snapshot.state())).collect();
    assert_eq!(states, [(first.uid, State::Deleted), (second.uid, State::Created)]);
    server.given_restore("s", "again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_id_of_an_expired_one_is_free_before_any_sweep() {
    let slow = |config: &mut stillframe::app::Config| config.sweep_every = std::time::Duration::from_secs(3600);
    let mut server = TestServer::start_with(slow).await;
    server.given_collection("books").await;
    let first = server.given_snapshot("books", "s").await;
    server.clock.advance(7 * DAY);
    assert_ne!(server.given_snapshot("books", "s").await.uid, first.uid);
    server.stop().await;
}
