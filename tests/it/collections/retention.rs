//! This version has no retention, and says so.

use std::time::Duration;

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, refused, span};

fn with_retention() -> pb::Collection {
    let retention = Some(span(Duration::from_secs(3600)));
    pb::Collection { name: collection_name("books"), retention, ..Default::default() }
}

#[tokio::test]
async fn a_retention_is_not_available_yet() {
    let mut server = TestServer::start().await;
    let request = pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "books".to_owned(),
        collection: Some(with_retention()),
        ..Default::default()
    };
    let answer = server.collections.create_collection(request).await;
    refused(answer, Code::Unimplemented, "RETENTION_NOT_AVAILABLE");
    refused(server.collection("books").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[tokio::test]
async fn a_retention_never_changes() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for paths in [&["retention"][..], &["description", "retention"]] {
        let answer = server.update_collection(with_retention(), Some(paths)).await;
        refused(answer, Code::InvalidArgument, "RETENTION_IMMUTABLE");
    }
    server.stop().await;
}
