//! One rule for every etag that a request takes: what is none is INVALID_FIELD, another one
//! than the current is ETAG_MISMATCH, and quotes around it do not count.

use std::collections::BTreeSet;

use prost_reflect::Kind;
use stillframe::pb::{self, Role};
use tonic::{Code, Status};

use super::{annotations::behaviours, messages, pool};
use crate::{
    documents::{error_of, if_etag},
    support::{Clients, TestServer, collection_name, key_with, mask, refused, refused_fields, snapshot_name, upsert},
};

/// Every field that takes one. What comes first leaves the others there.
const TAKING: [&str; 9] = [
    "Write.if_etag",
    "UpdateWorkspaceRequest.workspace.etag",
    "UpdateCollectionRequest.collection.etag",
    "UpdateSnapshotRequest.snapshot.etag",
    "DeleteSourceRequest.etag",
    "DeleteSnapshotRequest.etag",
    "DeleteCollectionRequest.etag",
    "DeleteWorkspaceRequest.etag",
    "RevokeApiKeyRequest.etag",
];

#[test]
fn all_that_take_one_are_asked_here() {
    let pool = pool();
    let mut taking = BTreeSet::new();
    for message in messages(&pool) {
        for field in message.fields().filter(|field| !behaviours(&pool, field).contains(&"OUTPUT_ONLY".to_owned())) {
            let name = format!("{}.{}", message.name(), field.name());
            match field.kind() {
                Kind::String if field.name() == "if_etag" => {
                    taking.insert(name);
                }
                Kind::String if field.name() == "etag" && message.name().ends_with("Request") => {
                    taking.insert(name);
                }
                Kind::Message(resource) if message.name().starts_with("Update") => {
                    taking.extend(resource.get_field_by_name("etag").map(|_| format!("{name}.etag")));
                }
                _ => {}
            }
        }
    }
    assert_eq!(taking, TAKING.map(str::to_owned).into());
}

struct Given {
    server: TestServer,
    root: Clients,
    document: String,
}

async fn given() -> Given {
    let mut server = TestServer::with_collection().await;
    let document = server.write_one(upsert("a", "{}")).await.etag;
    server.given_workspace("team").await;
    server.given_snapshot("c", "s").await;
    let location = server.location("");
    server.create_source("c", "in", pb::Source { location, ..Default::default() }).await.unwrap();
    let mut root = server.given_operator().await;
    root.create_key("a", key_with(&[("commons", Role::Reader)])).await.unwrap();
    Given { server, root, document }
}

const SOURCE: &str = "workspaces/commons/collections/c/sources/in";

impl Given {
    /// The current etag that a field takes.
    async fn current(&mut self, field: &str) -> String {
        let Self { root, document, .. } = self;
        let (workspace, collection, snapshot) =
            ("workspaces/team".to_owned(), collection_name("c"), snapshot_name("s"));
        let source = SOURCE.to_owned();
        match field {
            "Write.if_etag" => document.clone(),
            name if name.contains("Workspace") => {
                let request = pb::GetWorkspaceRequest { name: workspace };
                root.workspaces.get_workspace(request).await.unwrap().into_inner().etag
            }
            name if name.contains("Collection") => {
                let request = pb::GetCollectionRequest { name: collection };
                root.collections.get_collection(request).await.unwrap().into_inner().etag
            }
            name if name.contains("Snapshot") => {
                let request = pb::GetSnapshotRequest { name: snapshot };
                root.snapshots.get_snapshot(request).await.unwrap().into_inner().etag
            }
            name if name.contains("Source") => {
                root.sources.get_source(pb::GetSourceRequest { name: source }).await.unwrap().into_inner().etag
            }
            _ => root.get_key("a").await.unwrap().etag,
        }
    }

    async fn send(&mut self, field: &str, etag: &str) -> Result<(), Status> {
        let Self { root, document, .. } = self;
        let (collection, snapshot, etag) = (collection_name("c"), snapshot_name("s"), etag.to_owned());
        let described = Some(mask(&["description"]));
        match field {
            "Write.if_etag" => {
                let writes = vec![if_etag(&etag, upsert("a", "{}"))];
                let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
                let result = root.documents.write_documents(request).await.unwrap().into_inner().results.remove(0);
                if result.error.is_some() {
                    return Err(error_of(&result));
                }
                *document = result.etag;
            }
            "UpdateWorkspaceRequest.workspace.etag" => {
                let workspace = pb::Workspace { name: "workspaces/team".to_owned(), etag, ..Default::default() };
                let request = pb::UpdateWorkspaceRequest { workspace: Some(workspace), update_mask: described };
                root.workspaces.update_workspace(request).await?;
            }
            "UpdateCollectionRequest.collection.etag" => {
                let collection = pb::Collection { name: collection, etag, ..Default::default() };
                let request = pb::UpdateCollectionRequest { collection: Some(collection), update_mask: described };
                root.collections.update_collection(request).await?;
            }
            "UpdateSnapshotRequest.snapshot.etag" => {
                let snapshot = pb::Snapshot { name: snapshot, etag, ..Default::default() };
                let request = pb::UpdateSnapshotRequest { snapshot: Some(snapshot), update_mask: described };
                root.snapshots.update_snapshot(request).await?;
            }
            "DeleteSourceRequest.etag" => {
                root.sources.delete_source(pb::DeleteSourceRequest { name: SOURCE.to_owned(), etag }).await?;
            }
            "DeleteSnapshotRequest.etag" => {
                root.snapshots.delete_snapshot(pb::DeleteSnapshotRequest { name: snapshot, etag }).await?;
            }
            "DeleteCollectionRequest.etag" => {
                root.collections.delete_collection(pb::DeleteCollectionRequest { name: collection, etag }).await?;
            }
            "DeleteWorkspaceRequest.etag" => {
                let name = "workspaces/team".to_owned();
                root.workspaces.delete_workspace(pb::DeleteWorkspaceRequest { name, etag }).await?;
            }
            "RevokeApiKeyRequest.etag" => {
                let name = "apiKeys/a".to_owned();
                root.access.revoke_api_key(pb::RevokeApiKeyRequest { name, etag }).await?;
            }
            other => panic!("{other}"),
        }
        Ok(())
    }
}

#[apply(on_each_storage!)]
async fn one_rule_holds_for_all_of_them() {
    let mut given = given().await;
    for field in TAKING {
        let current = given.current(field).await;
        let path = field.split_once('.').unwrap().1;
        for none in [
            "wrong".to_owned(),
            current[1..].to_owned(),
            format!("0{current}"),
            "A".repeat(current.len()),
            format!("W/\"{current}\""),
            format!("\"{current}"),
            format!("'{current}'"),
            format!("\"\"{current}\"\""),
            " ".to_owned(),
        ] {
            refused_fields(given.send(field, &none).await, &[path]);
        }
        if field != "Write.if_etag" {
            refused_fields(given.send(field, "\"\"").await, &[path]);
        }
        let other = "0".repeat(current.len());
        for other in [format!("\"{other}\""), other] {
            let status = refused(given.send(field, &other).await, Code::Aborted, "ETAG_MISMATCH");
            assert!(status.message().contains(&format!("\"{current}\"")), "{field}: {status:?}");
        }
        given.send(field, &format!("\"{current}\"")).await.unwrap_or_else(|status| panic!("{field}: {status:?}"));
    }
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn a_document_that_must_not_exist_may_be_asked_for_in_quotes() {
    let mut server = TestServer::with_collection().await;
    let first = server.write_one(if_etag("\"\"", upsert("a", "{}"))).await;
    assert_eq!(first.status(), pb::write_result::Status::Added);
    let second = server.write_one(if_etag("\"\"", upsert("a", "{}"))).await;
    refused(Err::<(), _>(error_of(&second)), Code::Aborted, "ETAG_MISMATCH");
    server.stop().await;
}
