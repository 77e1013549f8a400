//! One connection, and the calls that scenarios share.

use std::{
    error::Error,
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use stillframe::pb::{
    self, access_service_client::AccessServiceClient, collection_service_client::CollectionServiceClient,
    document_service_client::DocumentServiceClient, restore::Verification,
    restore_service_client::RestoreServiceClient, snapshot_service_client::SnapshotServiceClient,
    source_service_client::SourceServiceClient, workspace_service_client::WorkspaceServiceClient,
};
use tonic::{
    Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::health_client::HealthClient;

use crate::{Result, bearer::Bearer, check};

pub const WORKSPACE: &str = "workspaces/commons";
const LARGEST_MESSAGE: usize = 16 << 20;
/// A server that says nothing for so long hangs, and the scenario has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that shows its key, if it has one.
type Keyed = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub struct Client {
    channel: Channel,
    bearer: Bearer,
    workspace: String,
}

/// A restore that has succeeded.
pub struct Restored {
    /// The name of the new collection.
    pub collection: String,
    pub receipt: pb::restore::Receipt,
    /// From the request to the end of the watch stream.
    pub elapsed: Duration,
}

impl Client {
    pub async fn connect(url: &str) -> Result<Self> {
        let channel = Endpoint::from_shared(url.to_owned())?
            .tcp_nodelay(true)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20)
            .connect()
            .await?;
        Ok(Self { channel, bearer: Bearer::default(), workspace: WORKSPACE.to_owned() })
    }

    /// The same connection, used with a key in a workspace.
    pub fn keyed(&self, key: &str, workspace: &str) -> Result<Self> {
        Ok(Self { channel: self.channel.clone(), bearer: Bearer::new(key)?, workspace: workspace.to_owned() })
    }

    fn channel(&self) -> Keyed {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }

    /// Without the key.
    pub fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel.clone())
    }

    pub fn access(&self) -> AccessServiceClient<Keyed> {
        AccessServiceClient::new(self.channel())
    }

    pub fn workspaces(&self) -> WorkspaceServiceClient<Keyed> {
        WorkspaceServiceClient::new(self.channel())
    }

    pub fn documents(&self) -> DocumentServiceClient<Keyed> {
        DocumentServiceClient::new(self.channel()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub fn restores(&self) -> RestoreServiceClient<Keyed> {
        RestoreServiceClient::new(self.channel()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub fn sources(&self) -> SourceServiceClient<Keyed> {
        SourceServiceClient::new(self.channel())
    }

    pub fn collections(&self) -> CollectionServiceClient<Keyed> {
        CollectionServiceClient::new(self.channel()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub fn snapshots(&self) -> SnapshotServiceClient<Keyed> {
        SnapshotServiceClient::new(self.channel()).max_decoding_message_size(LARGEST_MESSAGE)
    }

    pub async fn ping(&self) -> Result<()> {
        let request = pb::GetWorkspaceRequest { name: self.workspace.clone() };
        patiently("GetWorkspace", self.workspaces().get_workspace(request)).await?;
        Ok(())
    }

    /// Returns the name of the new collection.
    pub async fn create_collection(&self, id: &str) -> Result<String> {
        self.create_with(id, pb::Collection::default()).await
    }

    /// Returns the name of the new collection.
    pub async fn create_with(&self, id: &str, collection: pb::Collection) -> Result<String> {
        let request = pb::CreateCollectionRequest {
            parent: self.workspace.clone(),
            collection_id: id.to_owned(),
            collection: Some(collection),
            ..Default::default()
        };
        let created = patiently("CreateCollection", self.collections().create_collection(request)).await?;
        Ok(created.into_inner().name)
    }

    pub async fn collection(&self, name: &str) -> Result<pb::Collection> {
        let request = pb::GetCollectionRequest { name: name.to_owned() };
        Ok(patiently("GetCollection", self.collections().get_collection(request)).await?.into_inner())
    }

    pub async fn stats(&self, name: &str) -> Result<pb::collection::Stats> {
        Ok(self.collection(name).await?.stats.ok_or_else(|| format!("{name} has no stats"))?)
    }

    pub async fn delete_collection(&self, name: &str) -> Result<()> {
        let request = pb::DeleteCollectionRequest { name: name.to_owned(), ..Default::default() };
        patiently("DeleteCollection", self.collections().delete_collection(request)).await?;
        Ok(())
    }

    /// One request; every write must succeed.
    pub async fn write(&self, collection: &str, writes: Vec<pb::Write>) -> Result<()> {
        let expected = writes.len();
        let request = pb::WriteDocumentsRequest { collection: collection.to_owned(), writes, ..Default::default() };
        let reply = patiently("WriteDocuments", self.documents().write_documents(request)).await?.into_inner();
        check(reply.results.len() == expected, || format!("{expected} writes, {} results", reply.results.len()))?;
        refuse_failures(&reply.results)
    }

    /// Takes a snapshot and waits until it is CREATED; returns it with the
    /// time from the request until CREATED was seen.
    pub async fn snapshot(&self, collection: &str, id: &str) -> Result<(pb::Snapshot, Duration)> {
        let request = pb::CreateSnapshotRequest {
            parent: self.workspace.clone(),
            snapshot_id: id.to_owned(),
            snapshot: Some(pb::Snapshot { collection: collection.to_owned(), ..Default::default() }),
            ..Default::default()
        };
        let begun = Instant::now();
        let name = patiently("CreateSnapshot", self.snapshots().create_snapshot(request)).await?.into_inner().name;
        let request = pb::WatchSnapshotRequest { name: name.clone() };
        let mut states = patiently("WatchSnapshot", self.snapshots().watch_snapshot(request)).await?.into_inner();
        let mut created = None;
        // To its end: what is given up before resets its stream, and too many resets end
        // the connection.
        while let Some(snapshot) = patiently("WatchSnapshot", states.message()).await? {
            match snapshot.state() {
                pb::snapshot::State::Created => created = Some((snapshot, begun.elapsed())),
                pb::snapshot::State::Requested => {}
                other => return Err(format!("{name} is {other:?}: {:?}", snapshot.error).into()),
            }
        }
        Ok(created.ok_or_else(|| format!("the watch of {name} ended before a terminal state"))?)
    }

    pub async fn get_snapshot(&self, name: &str) -> Result<pb::Snapshot> {
        let request = pb::GetSnapshotRequest { name: name.to_owned() };
        Ok(patiently("GetSnapshot", self.snapshots().get_snapshot(request)).await?.into_inner())
    }

    /// The first page of all snapshots.
    pub async fn first_snapshots(&self, page_size: u32) -> Result<Vec<pb::Snapshot>> {
        let request = pb::ListSnapshotsRequest {
            parent: self.workspace.clone(),
            page_size: i32::try_from(page_size)?,
            ..Default::default()
        };
        Ok(patiently("ListSnapshots", self.snapshots().list_snapshots(request)).await?.into_inner().snapshots)
    }

    pub async fn delete_snapshot(&self, name: &str) -> Result<()> {
        let request = pb::DeleteSnapshotRequest { name: name.to_owned(), ..Default::default() };
        patiently("DeleteSnapshot", self.snapshots().delete_snapshot(request)).await?;
        Ok(())
    }

    /// Starts a restore into the collection `target` and returns its name.
    pub async fn start_restore(
        &self,
        snapshot: &pb::Snapshot,
        target: &str,
        verification: Verification,
    ) -> Result<String> {
        let restore = pb::Restore {
            snapshot: snapshot.name.clone(),
            collection: format!("{}/collections/{target}", self.workspace),
            verification: verification.into(),
            ..Default::default()
        };
        let request =
            pb::CreateRestoreRequest { parent: self.workspace.clone(), restore: Some(restore), ..Default::default() };
        Ok(patiently("CreateRestore", self.restores().create_restore(request)).await?.into_inner().name)
    }

    /// Watches a restore until its stream ends, and returns the last value and
    /// how many came.
    pub async fn watch_restore(&self, name: &str) -> Result<(pb::RestoreProgress, u64)> {
        let request = pb::WatchRestoreRequest { name: name.to_owned() };
        let mut values = patiently("WatchRestore", self.restores().watch_restore(request)).await?.into_inner();
        let (mut last, mut count) = (None, 0);
        while let Some(value) = patiently("WatchRestore", values.message()).await? {
            (last, count) = (Some(value), count + 1);
        }
        Ok((last.ok_or_else(|| format!("the watch of {name} ended without a value"))?, count))
    }

    /// A whole restore. The new collection must equal the snapshot in count,
    /// size and digest.
    pub async fn restore(&self, snapshot: &pb::Snapshot, target: &str, verification: Verification) -> Result<Restored> {
        let restored = self.restore_some(snapshot, target, verification).await?;
        self.check_restored(snapshot, &restored.collection, &restored.receipt, verification).await?;
        Ok(restored)
    }

    /// A whole restore, which may drop what has expired.
    pub async fn restore_some(
        &self,
        snapshot: &pb::Snapshot,
        target: &str,
        verification: Verification,
    ) -> Result<Restored> {
        let begun = Instant::now();
        let name = self.start_restore(snapshot, target, verification).await?;
        let (last, _) = self.watch_restore(&name).await?;
        let elapsed = begun.elapsed();
        check(last.state() == pb::restore::State::Succeeded, || {
            format!("{name} ended {:?}: {:?}", last.state(), last.error)
        })?;

        let request = pb::GetRestoreRequest { name: name.clone() };
        let restore = patiently("GetRestore", self.restores().get_restore(request)).await?.into_inner();
        let receipt = restore.receipt.ok_or_else(|| format!("{name} has no receipt"))?;
        Ok(Restored { collection: restore.collection, receipt, elapsed })
    }

    async fn check_restored(
        &self,
        snapshot: &pb::Snapshot,
        collection: &str,
        receipt: &pb::restore::Receipt,
        verification: Verification,
    ) -> Result<()> {
        let restored = self.collection(collection).await?;
        check(restored.state() == pb::collection::State::Ready, || {
            format!("{collection} is {:?} after its restore", restored.state())
        })?;
        let stats = restored.stats.unwrap_or_default();
        let has = (stats.document_count, stats.size_bytes, stats.offset, stats.digest.as_str());
        let should = (snapshot.document_count, snapshot.size_bytes, snapshot.offset, snapshot.digest.as_str());
        check(has == should, || format!("{collection} has {has:?}, its snapshot {should:?}"))?;

        let proven = receipt.digest_check() == pb::restore::receipt::DigestCheck::Verified;
        let told = (receipt.documents_restored, receipt.digest.as_str(), proven);
        let should = (snapshot.document_count, snapshot.digest.as_str(), verification == Verification::Full);
        check(told == should, || format!("the receipt of {collection} says {told:?}, its snapshot {should:?}"))
    }
}

/// A call that ended with an error or not at all, as opposed to a wrong answer.
#[derive(Debug)]
pub struct CallFailed(String);

impl fmt::Display for CallFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for CallFailed {}

/// Names the call in its error, and gives up on a server that hangs.
pub async fn patiently<T>(what: &str, call: impl Future<Output = std::result::Result<T, Status>>) -> Result<T> {
    let failure = match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(status)) => format!("{what}: {:?}: {}", status.code(), status.message()),
        Err(_) => format!("{what}: no answer for {PATIENCE:?}"),
    };
    Err(CallFailed(failure).into())
}

/// Every result must be free of an error.
pub fn refuse_failures(results: &[pb::WriteResult]) -> Result<()> {
    match results.iter().find(|result| result.error.is_some()) {
        Some(failed) => Err(format!("the write of {} failed: {:?}", failed.id, failed.error).into()),
        None => Ok(()),
    }
}
