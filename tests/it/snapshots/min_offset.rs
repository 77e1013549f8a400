//! `min_offset`: the snapshot must contain a certain write.

use stillframe::pb;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{COMMONS, TestServer, collection_name, refused, refused_fields};

async fn request(server: &mut TestServer, id: &str, min_offset: i64) -> Result<pb::Snapshot, Status> {
    let snapshot = pb::Snapshot { collection: collection_name("books"), ..Default::default() };
    let request = pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: id.to_owned(),
        snapshot: Some(snapshot),
        min_offset: Some(min_offset),
        ..Default::default()
    };
    Ok(server.snapshots.create_snapshot(request).await?.into_inner())
}

#[apply(on_each_storage!)]
async fn an_offset_that_is_reached_is_contained() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let offset = server.given_documents("books", 10, 1).await;
    request(&mut server, "s0", 0).await.unwrap();
    request(&mut server, "s1", offset).await.unwrap();
    assert!(server.watch_snapshot("s1").await.pop().unwrap().offset >= offset);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_offset_that_is_not_reached_is_refused_with_both_numbers() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let offset = server.given_documents("books", 10, 1).await;
    let status = request(&mut server, "s", offset + 1).await;
    let status = refused(status, Code::FailedPrecondition, "OFFSET_NOT_REACHED");
    let details = status.get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!((metadata["offset"].as_str(), metadata["min_offset"].as_str()), ("10", "11"));
    assert!(details.retry_info().is_some() && details.precondition_failure().is_some());
    server.given_documents("books", 1, 2).await;
    request(&mut server, "s", offset + 1).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_negative_offset_is_refused() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    refused_fields(request(&mut server, "s", -1).await, &["min_offset"]);
    server.stop().await;
}
