//! The gates of the workspace, and what never may be asked for.

use std::time::Duration;

use stillframe::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{COMMONS, TestServer, refused, refused_fields, restore_request, span};

#[tokio::test]
async fn a_restore_that_is_too_large_needs_the_operator() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let size = server.given_snapshot("books", "monday").await.size_bytes;
    server.given_gates(pb::Workspace { max_restore_bytes: Some(size - 1), ..Default::default() }).await;
    for validate_only in [true, false] {
        let request = pb::CreateRestoreRequest { validate_only, ..restore_request("monday", "again") };
        let answer = server.create_restore(request).await;
        let status = refused(answer, Code::FailedPrecondition, "RESTORE_TOO_LARGE");
        let details = status.get_error_details();
        let metadata = &details.error_info().unwrap().metadata;
        assert_eq!(
            (&metadata["size_bytes"], &metadata["max_restore_bytes"]),
            (&size.to_string(), &(size - 1).to_string())
        );
        assert!(details.help().unwrap().links[0].description.contains("max_restore_bytes"));
        assert_eq!(details.precondition_failure().unwrap().violations[0].subject, COMMONS);
    }
    server.given_gates(pb::Workspace { max_restore_bytes: Some(size), ..Default::default() }).await;
    server.given_restore("monday", "again").await;
    server.stop().await;
}

#[tokio::test]
async fn a_retention_cannot_be_chosen() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let mut request = restore_request("monday", "again");
    request.restore.as_mut().unwrap().retention = Some(span(Duration::from_secs(3600)));
    refused(server.create_restore(request.clone()).await, Code::InvalidArgument, "RETENTION_IMMUTABLE");
    request.restore.as_mut().unwrap().retention = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    refused_fields(server.create_restore(request).await, &["restore.retention"]);
    server.stop().await;
}
