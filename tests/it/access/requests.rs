//! A harmless message for every RPC: enough to get behind the question who may,
//! not enough to change anything.

use bytes::Bytes;
use prost::Message;
use stillframe::pb;

fn bytes(message: impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// The message for a method, about a workspace; `None` for one that is unknown
/// here.
#[allow(clippy::too_many_lines, reason = "one line and more for each RPC")]
pub fn message(method: &str, workspace: &str) -> Option<Bytes> {
    let parent = workspace.to_owned();
    // None of them exists.
    let collection = format!("{workspace}/collections/none");
    let snapshot = format!("{workspace}/snapshots/none");
    let restore = format!("{workspace}/restores/none");
    let source = format!("{collection}/sources/none");
    // Refused behind the gate.
    let no_id = "-".to_owned();
    // No record has it.
    let etag = "0".repeat(16);
    Some(match method {
        "AccessService/CreateApiKey" => bytes(pb::CreateApiKeyRequest {
            api_key_id: "target".to_owned(),
            api_key: Some(pb::ApiKey {
                role_bindings: vec![pb::RoleBinding { workspace: parent, role: pb::Role::Reader.into() }],
                ..Default::default()
            }),
            ..Default::default()
        }),
        "AccessService/GetApiKey" => bytes(pb::GetApiKeyRequest { name: "apiKeys/target".to_owned() }),
        "AccessService/ListApiKeys" => bytes(pb::ListApiKeysRequest::default()),
        "AccessService/RevokeApiKey" => bytes(pb::RevokeApiKeyRequest { name: "apiKeys/target".to_owned(), etag }),
        "AccessService/GetCaller" => bytes(pb::GetCallerRequest {}),

        "ServerService/GetServerInfo" => bytes(pb::GetServerInfoRequest {}),

        "WorkspaceService/CreateWorkspace" => {
            bytes(pb::CreateWorkspaceRequest { workspace_id: no_id, ..Default::default() })
        }
        "WorkspaceService/GetWorkspace" => bytes(pb::GetWorkspaceRequest { name: parent }),
        "WorkspaceService/ListWorkspaces" => bytes(pb::ListWorkspacesRequest::default()),
        "WorkspaceService/UpdateWorkspace" => bytes(pb::UpdateWorkspaceRequest {
            workspace: Some(pb::Workspace { name: parent, etag, ..Default::default() }),
            ..Default::default()
        }),
        "WorkspaceService/DeleteWorkspace" => bytes(pb::DeleteWorkspaceRequest { name: parent, etag }),

        "CollectionService/CreateCollection" => {
            bytes(pb::CreateCollectionRequest { parent, collection_id: no_id, ..Default::default() })
        }
        "CollectionService/GetCollection" => bytes(pb::GetCollectionRequest { name: collection }),
        "CollectionService/ListCollections" => bytes(pb::ListCollectionsRequest { parent, ..Default::default() }),
        "CollectionService/UpdateCollection" => bytes(pb::UpdateCollectionRequest {
            collection: Some(pb::Collection { name: collection, ..Default::default() }),
            ..Default::default()
        }),
        "CollectionService/DeleteCollection" => bytes(pb::DeleteCollectionRequest { name: collection, etag }),

        "DocumentService/WriteDocuments" => bytes(pb::WriteDocumentsRequest {
            collection,
            writes: vec![crate::support::delete("a")],
            ..Default::default()
        }),
        "DocumentService/IngestDocuments" => bytes(pb::IngestDocumentsRequest { collection, ..Default::default() }),
        "DocumentService/GetDocument" => {
            bytes(pb::GetDocumentRequest { collection, id: "a".to_owned(), ..Default::default() })
        }
        "DocumentService/BatchGetDocuments" => {
            bytes(pb::BatchGetDocumentsRequest { collection, ids: vec!["a".to_owned()], ..Default::default() })
        }
        "DocumentService/ListDocuments" => bytes(pb::ListDocumentsRequest { collection, ..Default::default() }),
        "DocumentService/StreamDocuments" => bytes(pb::StreamDocumentsRequest { collection, ..Default::default() }),

        "SnapshotService/CreateSnapshot" => bytes(pb::CreateSnapshotRequest { parent, ..Default::default() }),
        "SnapshotService/GetSnapshot" => bytes(pb::GetSnapshotRequest { name: snapshot }),
        "SnapshotService/ListSnapshots" => bytes(pb::ListSnapshotsRequest { parent, ..Default::default() }),
        "SnapshotService/UpdateSnapshot" => bytes(pb::UpdateSnapshotRequest {
            snapshot: Some(pb::Snapshot { name: snapshot, ..Default::default() }),
            ..Default::default()
        }),
        "SnapshotService/DeleteSnapshot" => bytes(pb::DeleteSnapshotRequest { name: snapshot, etag }),
        "SnapshotService/WatchSnapshot" => bytes(pb::WatchSnapshotRequest { name: snapshot }),

        "RestoreService/CreateRestore" => bytes(pb::CreateRestoreRequest {
            parent,
            restore: Some(pb::Restore { snapshot, collection, ..Default::default() }),
            ..Default::default()
        }),
        "RestoreService/GetRestore" => bytes(pb::GetRestoreRequest { name: restore }),
        "RestoreService/ListRestores" => bytes(pb::ListRestoresRequest { parent, ..Default::default() }),
        "RestoreService/CancelRestore" => bytes(pb::CancelRestoreRequest { name: restore }),
        "RestoreService/WatchRestore" => bytes(pb::WatchRestoreRequest { name: restore }),

        "SourceService/CreateSource" => bytes(pb::CreateSourceRequest { parent: collection, ..Default::default() }),
        "SourceService/GetSource" => bytes(pb::GetSourceRequest { name: source }),
        "SourceService/ListSources" => bytes(pb::ListSourcesRequest { parent: collection, ..Default::default() }),
        "SourceService/DeleteSource" => bytes(pb::DeleteSourceRequest { name: source, etag }),
        "SourceService/SuspendSource" => bytes(pb::SuspendSourceRequest { name: source }),
        "SourceService/ResumeSource" => bytes(pb::ResumeSourceRequest { name: source }),
        "SourceService/WatchSource" => bytes(pb::WatchSourceRequest { name: source }),
        _ => return None,
    })
}
