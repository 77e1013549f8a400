//! `WatchSnapshot`: the value at once, each change, the last one, then the end.

use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{DEADLINE, TestServer, collect, refused, snapshot_name};

async fn watch(server: &TestServer) -> tonic::Streaming<pb::Snapshot> {
    let mut client = server.snapshots.clone();
    client.watch_snapshot(pb::WatchSnapshotRequest { name: snapshot_name("s") }).await.unwrap().into_inner()
}

async fn next(stream: &mut tonic::Streaming<pb::Snapshot>) -> pb::Snapshot {
    tokio::time::timeout(DEADLINE, stream.message()).await.unwrap().unwrap().unwrap()
}

#[apply(on_each_storage!)]
async fn requested_comes_first_and_created_last() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    let mut stream = watch(&server).await;
    assert_eq!(next(&mut stream).await.state(), State::Requested);
    let change = pb::Snapshot { name: snapshot_name("s"), description: "new".to_owned(), ..Default::default() };
    server.update_snapshot(change, None).await.unwrap();
    let updated = next(&mut stream).await;
    assert_eq!((updated.state(), updated.description.as_str()), (State::Requested, "new"), "each change");
    block.lift();
    let rest = collect(stream).await.unwrap();
    assert_eq!(rest.iter().map(pb::Snapshot::state).collect::<Vec<_>>(), [State::Created]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_settled_snapshot_gives_one_value() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "s").await;
    for state in [State::Created, State::Deleted] {
        let values = server.watch_snapshot("s").await;
        assert_eq!(values.iter().map(pb::Snapshot::state).collect::<Vec<_>>(), [state]);
        let _ = server.delete_snapshot("s").await;
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_one_ends_its_watches() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    let streams = [watch(&server).await, watch(&server).await];
    server.delete_snapshot("s").await.unwrap();
    for stream in streams {
        let values = collect(stream).await.unwrap();
        assert_eq!(values.last().unwrap().state(), State::Deleted);
    }
    block.lift();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_stop_ends_a_watch_with_an_error() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    let mut stream = watch(&server).await;
    next(&mut stream).await;
    let dir = server.stop().await;
    refused(collect(stream).await, Code::Unavailable, "SHUTTING_DOWN");
    block.lift();
    drop(dir);
}
