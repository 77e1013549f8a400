//! What a workspace may store.

use stillframe::pb;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{TestServer, eventually, reason, refused, refused_fields, restore_request, try_write, upsert};

/// The workspace may store so much.
async fn limit(server: &mut TestServer, bytes: i64) {
    server.given_gates(pb::Workspace { max_stored_bytes: Some(bytes), ..Default::default() }).await;
}

async fn size(server: &mut TestServer) -> i64 {
    server.stats("books").await.size_bytes
}

async fn until_exceeded(server: &mut TestServer) -> Status {
    let mut refusal = None;
    eventually("the limit is seen", async || {
        refusal = try_write(server, "more").await.err();
        refusal.is_some()
    })
    .await;
    refusal.unwrap()
}

#[apply(on_each_storage!)]
async fn a_workspace_above_its_limit_can_read_and_delete() {
    let mut server =
        TestServer::start_with(|config| config.operator_contact = Some("mailto:a@example.com".into())).await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    let stored = size(&mut server).await;
    limit(&mut server, stored).await;
    let refusal = until_exceeded(&mut server).await;
    assert_eq!((refusal.code(), reason(&refusal).as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    let info = refusal.get_details_error_info().unwrap();
    assert_eq!(info.metadata["resource"], "workspaces/commons");
    assert_eq!(info.metadata["max_stored_bytes"], stored.to_string());
    // The snapshot's bytes count as well, and what came before the limit was seen.
    let now = size(&mut server).await;
    let told: i64 = info.metadata["stored_bytes"].parse().unwrap();
    assert!((2 * stored..=now + stored).contains(&told), "{told} of {stored}, {now}");
    assert_eq!(refusal.get_details_help().unwrap().links[0].url, "mailto:a@example.com");
    for answer in [
        server.request_snapshot("books", "tuesday").await.map(drop),
        server.create_restore(restore_request("monday", "again")).await.map(drop),
    ] {
        refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
    }
    // Other workspaces have their own.
    server.given_workspace("team").await;
    let collection = server.create_collection("workspaces/team", "books").await.unwrap().name;
    let writes = vec![upsert("1", "{}")];
    let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
    server.documents.write_documents(request).await.unwrap();

    assert!((100..=101).contains(&server.stats("books").await.document_count));
    let request = pb::GetDocumentRequest {
        collection: crate::support::collection_name("books"),
        id: "000001".to_owned(),
        ..Default::default()
    };
    server.documents.get_document(request).await.unwrap();
    server.delete_snapshot("monday").await.unwrap();
    let deletes = (0..50).map(|n| pb::Write {
        operation: Some(pb::write::Operation::DeleteId(format!("{n:06}"))),
        ..Default::default()
    });
    server.write("books", deletes.collect()).await;
    eventually("there is room again", async || try_write(&mut server, "more").await.is_ok()).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_restore_is_refused_if_it_would_exceed_it() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    let stored = size(&mut server).await;
    // The documents, the snapshot, and one restore but for a byte.
    limit(&mut server, 3 * stored - 1).await;
    eventually("it is added up", async || {
        let answer =
            server.create_restore(pb::CreateRestoreRequest { validate_only: true, ..restore_request("monday", "r") });
        answer.await.is_err_and(|status| reason(&status) == "QUOTA_EXCEEDED")
    })
    .await;
    limit(&mut server, 3 * stored).await;
    let restored = server.create_restore(restore_request("monday", "r")).await;
    restored.unwrap();
    eventually("nothing is left for another", async || {
        let request = pb::CreateRestoreRequest { validate_only: true, ..restore_request("monday", "s") };
        server.create_restore(request).await.is_err_and(|status| reason(&status) == "QUOTA_EXCEEDED")
    })
    .await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_negative_limit_is_refused_and_none_is_the_default() {
    let mut server = TestServer::start_with(|config| config.gates.max_stored_bytes = Some(7)).await;
    assert_eq!(server.given_workspace("team").await.max_stored_bytes, Some(7));
    let wrong = pb::Workspace { max_stored_bytes: Some(-1), ..Default::default() };
    refused_fields(server.create_workspace("other", wrong).await, &["workspace.max_stored_bytes"]);
    let none = pb::Workspace { max_stored_bytes: Some(0), ..Default::default() };
    assert_eq!(server.create_workspace("other", none).await.unwrap().max_stored_bytes, Some(0));
    assert_eq!(stillframe::workspace::Gates::default().max_stored_bytes, None);
    server.stop().await;
}
