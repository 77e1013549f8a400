//! The gates of the workspace, and what never may be asked for.

use std::time::Duration;

use stillframe::{
    pb,
    records::{Change, Record, Snapshot},
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{COMMONS, TestServer, records_of, refused, refused_fields, restore_request, span};

#[apply(on_each_storage!)]
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
        assert!(status.message().contains("UpdateWorkspace with a higher max_restore_bytes"), "{status:?}");
        assert!(details.help().is_none(), "nobody is named whom to ask");
        assert_eq!(details.precondition_failure().unwrap().violations[0].subject, COMMONS);
    }
    server.given_gates(pb::Workspace { max_restore_bytes: Some(size), ..Default::default() }).await;
    server.given_restore("monday", "again").await;
    server.stop().await;
}

const TERABYTE: i64 = 1_000_000_000_000;

/// Makes the record of a snapshot say that it has so many bytes.
async fn enlarge(server: TestServer, size_bytes: i64) -> tempfile::TempDir {
    let dir = server.stop().await;
    let records = records_of(&dir).await;
    let found = records.scan(&Snapshot::all()).next().unwrap().unwrap();
    let mut larger = found.record.clone();
    larger.contents.as_mut().unwrap().totals.size_bytes = size_bytes;
    records.commit(Change::default().replace(&found, &larger)).await.unwrap();
    dir
}

#[apply(on_each_storage!)]
async fn eleven_terabytes_are_refused_before_anything_is_copied() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 3, 1).await;
    server.given_snapshot("books", "monday").await;
    let contact = |config: &mut stillframe::app::Config| {
        config.operator_contact = Some("mailto:ops@example.com".into());
    };
    for (size, is_allowed) in [(11 * TERABYTE, false), (10 * TERABYTE + 1, false), (10 * TERABYTE, true)] {
        let dir = enlarge(server, size).await;
        server = TestServer::reopen_with(dir, contact).await.unwrap();
        let plan = pb::CreateRestoreRequest { validate_only: true, ..restore_request("monday", "again") };
        if is_allowed {
            server.create_restore(plan).await.unwrap();
            continue;
        }
        for request in [plan, restore_request("monday", "again")] {
            let answer = server.create_restore(request).await;
            let status = refused(answer, Code::FailedPrecondition, "RESTORE_TOO_LARGE");
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().metadata["size_bytes"], size.to_string());
            let links = &details.help().unwrap().links;
            assert_eq!((links.len(), links[0].url.as_str()), (1, "mailto:ops@example.com"));
        }
        assert_eq!(server.collection("again").await.unwrap_err().code(), Code::NotFound);
        let collections = std::fs::read_dir(server.dir.path().join("storage/collections")).unwrap();
        assert_eq!(collections.count(), 1, "nothing was copied");
    }
    let dir = enlarge(server, 11 * TERABYTE).await;
    let mut server = TestServer::reopen(dir).await;
    let approved = pb::Workspace { max_restore_bytes: Some(11 * TERABYTE), ..Default::default() };
    server.given_gates(approved).await;
    let plan = pb::CreateRestoreRequest { validate_only: true, ..restore_request("monday", "again") };
    server.create_restore(plan).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
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
