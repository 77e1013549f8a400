//! The generated clients, with what the story asks of them.

use std::net::SocketAddr;

use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

use super::Result;
use crate::pb::{
    self, collection_service_client::CollectionServiceClient, document_service_client::DocumentServiceClient,
    restore_service_client::RestoreServiceClient, snapshot_service_client::SnapshotServiceClient,
};

/// The workspace that always exists.
pub(super) const COMMONS: &str = "workspaces/commons";

/// A client of one server.
pub(super) struct Client {
    pub collections: CollectionServiceClient<Channel>,
    pub documents: DocumentServiceClient<Channel>,
    pub snapshots: SnapshotServiceClient<Channel>,
    pub restores: RestoreServiceClient<Channel>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Self {
            collections: CollectionServiceClient::new(channel.clone()),
            documents: DocumentServiceClient::new(channel.clone()),
            snapshots: SnapshotServiceClient::new(channel.clone()),
            restores: RestoreServiceClient::new(channel),
        })
    }

    pub async fn create_collection(&mut self, id: &str) -> Result<pb::Collection> {
        let request = pb::CreateCollectionRequest {
            parent: COMMONS.to_owned(),
            collection_id: id.to_owned(),
            ..pb::CreateCollectionRequest::default()
        };
        Ok(self.collections.create_collection(request).await?.into_inner())
    }

    pub async fn stats(&mut self, collection: &str) -> Result<pb::collection::Stats> {
        let request = pb::GetCollectionRequest { name: collection_name(collection) };
        let found = self.collections.get_collection(request).await?.into_inner();
        Ok(found.stats.unwrap_or_default())
    }

    /// Whether there is a collection of this name.
    pub async fn exists(&mut self, collection: &str) -> Result<bool> {
        let request = pb::GetCollectionRequest { name: collection_name(collection) };
        match self.collections.get_collection(request).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == tonic::Code::NotFound => Ok(false),
            Err(status) => Err(status.into()),
        }
    }

    pub async fn delete_collection(&mut self, collection: &str) -> Result<()> {
        let request = pb::DeleteCollectionRequest { name: collection_name(collection), etag: String::new() };
        self.collections.delete_collection(request).await?;
        Ok(())
    }

    /// Sends all batches over one stream and waits for all acknowledgements.
    pub async fn ingest(
        &mut self,
        batches: Vec<pb::IngestDocumentsRequest>,
    ) -> Result<Vec<pb::IngestDocumentsResponse>> {
        let answers = self.documents.ingest_documents(futures::stream::iter(batches)).await?;
        collect(answers.into_inner()).await
    }

    pub async fn write(&mut self, collection: &str, writes: Vec<pb::Write>) -> Result<pb::WriteDocumentsResponse> {
        let collection = collection_name(collection);
        let request = pb::WriteDocumentsRequest { collection, writes, collection_uid: String::new() };
        Ok(self.documents.write_documents(request).await?.into_inner())
    }

    pub async fn get(&mut self, collection: &str, id: &str) -> Result<pb::Document> {
        let encoding = pb::Encoding::Json.into();
        let request = pb::GetDocumentRequest { collection: collection_name(collection), id: id.to_owned(), encoding };
        Ok(self.documents.get_document(request).await?.into_inner())
    }

    /// All documents, in the order of their ids.
    pub async fn read(&mut self, collection: &str) -> Result<Vec<pb::Document>> {
        let request = pb::StreamDocumentsRequest {
            collection: collection_name(collection),
            encoding: pb::Encoding::Json.into(),
            ..pb::StreamDocumentsRequest::default()
        };
        let messages = self.documents.stream_documents(request).await?;
        let messages: Vec<pb::StreamDocumentsResponse> = collect(messages.into_inner()).await?;
        Ok(messages.into_iter().flat_map(|message| message.documents).collect())
    }

    /// Requests a snapshot that contains the write of `min_offset`, and watches
    /// it until it is settled.
    pub async fn snapshot(&mut self, collection: &str, id: &str, min_offset: i64) -> Result<Vec<pb::Snapshot>> {
        let snapshot = pb::Snapshot { collection: collection_name(collection), ..pb::Snapshot::default() };
        let request = pb::CreateSnapshotRequest {
            parent: COMMONS.to_owned(),
            snapshot_id: id.to_owned(),
            snapshot: Some(snapshot),
            request_id: String::new(),
            min_offset: Some(min_offset),
        };
        let requested = self.snapshots.create_snapshot(request).await?.into_inner();
        let watch = pb::WatchSnapshotRequest { name: requested.name.clone() };
        let values = self.snapshots.watch_snapshot(watch).await?;
        let mut seen = vec![requested];
        seen.extend(collect(values.into_inner()).await?);
        Ok(seen)
    }

    pub async fn list_snapshots(&mut self) -> Result<Vec<pb::Snapshot>> {
        let request = pb::ListSnapshotsRequest {
            parent: COMMONS.to_owned(),
            order_by: "create_time".to_owned(),
            ..pb::ListSnapshotsRequest::default()
        };
        Ok(self.snapshots.list_snapshots(request).await?.into_inner().snapshots)
    }

    /// Starts a restore, or with `validate_only` asks what it would do.
    pub async fn restore(&mut self, snapshot: &str, collection: &str, validate_only: bool) -> Result<pb::Restore> {
        let restore = pb::Restore {
            snapshot: format!("{COMMONS}/snapshots/{snapshot}"),
            collection: collection_name(collection),
            ..pb::Restore::default()
        };
        let request = pb::CreateRestoreRequest {
            parent: COMMONS.to_owned(),
            restore_id: collection.to_owned(),
            restore: Some(restore),
            request_id: String::new(),
            validate_only,
        };
        Ok(self.restores.create_restore(request).await?.into_inner())
    }

    pub async fn watch_restore(&mut self, name: &str) -> Result<Streaming<pb::RestoreProgress>> {
        let request = pb::WatchRestoreRequest { name: name.to_owned() };
        Ok(self.restores.watch_restore(request).await?.into_inner())
    }

    pub async fn get_restore(&mut self, name: &str) -> Result<pb::Restore> {
        let request = pb::GetRestoreRequest { name: name.to_owned() };
        Ok(self.restores.get_restore(request).await?.into_inner())
    }
}

/// Everything a stream says; an error that ends it is one.
async fn collect<T>(mut stream: Streaming<T>) -> Result<Vec<T>> {
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await? {
        messages.push(message);
    }
    Ok(messages)
}

pub(super) fn collection_name(id: &str) -> String {
    format!("{COMMONS}/collections/{id}")
}
