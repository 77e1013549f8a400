//! A repeated request has one effect.

use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{COMMONS, DAY, TestServer, collection_name, refused};

fn request(id: &str, description: &str) -> pb::CreateSnapshotRequest {
    pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: id.to_owned(),
        snapshot: Some(pb::Snapshot {
            collection: collection_name("books"),
            description: description.to_owned(),
            ..Default::default()
        }),
        request_id: "r1".to_owned(),
        min_offset: None,
    }
}

#[apply(on_each_storage!)]
async fn the_same_request_returns_the_same_snapshot() {
    let mut server = TestServer::start_with(|config| config.gates.snapshot_creates_per_minute = 1).await;
    server.given_collection("books").await;
    let first = server.snapshots.create_snapshot(request("s", "d")).await.unwrap().into_inner();
    server.watch_snapshot("s").await;
    let again = server.snapshots.create_snapshot(request("s", "d")).await.unwrap().into_inner();
    assert_eq!((&again.uid, again.state()), (&first.uid, State::Created), "as it is now, and no rate is used up");
    for other in [request("t", "d"), request("s", "e")] {
        let reused = server.snapshots.create_snapshot(other).await;
        refused(reused, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn it_is_answered_after_the_collection_has_gone() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let first = server.snapshots.create_snapshot(request("s", "d")).await.unwrap().into_inner();
    server.delete_collection("books").await.unwrap();
    let again = server.snapshots.create_snapshot(request("s", "d")).await.unwrap().into_inner();
    assert_eq!(again.uid, first.uid);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_is_forgotten_after_a_day() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.snapshots.create_snapshot(request("s", "d")).await.unwrap();
    server.clock.advance(DAY);
    let again = server.snapshots.create_snapshot(request("s", "d")).await;
    refused(again, Code::AlreadyExists, "SNAPSHOT_EXISTS");
    server.snapshots.create_snapshot(request("t", "e")).await.unwrap();
    server.stop().await;
}
