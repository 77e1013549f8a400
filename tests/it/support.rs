//! A server in this process, and a client for it.

mod keys;
mod random;
mod raw;
mod resources;
mod retained;
pub mod s3;
mod scale;
mod shims;
#[macro_use]
mod storage;
mod totals;
mod words;

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc, time::Duration};

use slatedb::{admin::Admin, object_store::local::LocalFileSystem};
use stillframe::{
    app::{App, Config, open_records},
    clock::Clock,
    documents::{Sealed, StoragePatience, Tuning},
    error::Error,
    instance::StartError,
    pb::{
        self, collection_service_client::CollectionServiceClient, document_service_client::DocumentServiceClient,
        restore_service_client::RestoreServiceClient, snapshot_service_client::SnapshotServiceClient,
        source_service_client::SourceServiceClient, workspace_service_client::WorkspaceServiceClient,
    },
    records::Records,
    tasks::{TaskError, Tasks},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

pub use self::{
    keys::*, random::Random, raw::Raw, resources::*, retained::*, s3::Loopback, scale::*, shims::*, storage::Root,
    totals::*, words::*,
};

/// What takes so long hangs. Nothing is measured by it: on a busy machine a second
/// becomes a minute.
pub const DEADLINE: Duration = Duration::from_mins(5);
pub const COMMONS: &str = "workspaces/commons";

/// A running server. Stop it with [`TestServer::stop`], which fails on leaked
/// or panicked tasks.
pub struct TestServer {
    pub dir: TempDir,
    pub clock: Clock,
    pub address: SocketAddr,
    pub channel: Channel,
    pub workspaces: WorkspaceServiceClient<Channel>,
    pub collections: CollectionServiceClient<Channel>,
    pub documents: DocumentServiceClient<Channel>,
    pub snapshots: SnapshotServiceClient<Channel>,
    pub restores: RestoreServiceClient<Channel>,
    /// The S3 server that its root is on, if it is on one.
    pub loopback: Option<Loopback>,
    pub sources: SourceServiceClient<Channel>,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), TaskError>>,
}

/// Quick about everything that is slow by design.
pub fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir.to_path_buf());
    // Whatever the machine has left; the tests of a full disk have their own.
    config.min_free_bytes = Some(0);
    // A stop that is late has leaked something, or waits for a machine that is busy.
    config.grace = Duration::from_mins(1);
    config.transport.keepalive_timeout = DEADLINE;
    config.space_every = Duration::from_millis(20);
    config.sweep_every = Duration::from_millis(50);
    config.shortest_scan_interval = Duration::from_millis(1);
    config.tuning.gc_interval = Duration::from_millis(200);
    config.tuning.gc_min_age = Duration::ZERO;
    config.gates.snapshot_creates_per_minute = 1_000_000;
    // A busy machine is no storage that failed.
    let StoragePatience { read, admin, open, durable } = StoragePatience::DEFAULT;
    config.tuning.storage_patience =
        StoragePatience { read: read * 3, admin: admin * 2, open: open * 2, durable: durable * 2 };
    config
}

/// The configuration of a server whose root is where the test says, and the bucket's
/// server if that is in a bucket.
pub async fn config_on_storage(dir: &Path) -> (Config, Option<Loopback>) {
    let mut config = config(dir);
    let loopback = match Root::current() {
        Root::Directory => None,
        Root::S3 => Some(Loopback::start(dir).await),
    };
    if let Some(loopback) = &loopback {
        config.storage = Some(loopback.storage());
        config.tuning = on_s3(config.tuning);
    }
    (config, loopback)
}

/// The settings for S3, as quick about what is slow by design.
fn on_s3(quick: Tuning) -> Tuning {
    let Tuning { gc_interval, gc_min_age, compaction_poll, reader_grace, storage_patience, .. } = quick;
    Tuning { gc_interval, gc_min_age, compaction_poll, reader_grace, storage_patience, ..Tuning::S3 }
}

/// Opens the service. In one process, the last connection of an earlier server
/// may let go of the records a moment after that server has stopped.
async fn open(config: Config, clock: &Clock) -> Result<App, StartError> {
    let patience = tokio::time::Instant::now() + DEADLINE;
    loop {
        match App::open(config.clone(), clock.clone()).await {
            Err(StartError::Storage(Error::Unavailable(_))) if tokio::time::Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => return opened,
        }
    }
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with a changed configuration.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::reopen_with(dir, change).await.unwrap()
    }

    /// Starts on the data of an earlier server.
    pub async fn reopen(dir: TempDir) -> Self {
        Self::reopen_with(dir, |_| {}).await.unwrap()
    }

    pub async fn reopen_with(dir: TempDir, change: impl FnOnce(&mut Config)) -> Result<Self, StartError> {
        Self::reopen_at(dir, Clock::default(), change).await
    }

    /// The same, at the time of another server's clock.
    pub async fn reopen_at(dir: TempDir, clock: Clock, change: impl FnOnce(&mut Config)) -> Result<Self, StartError> {
        let (mut config, loopback) = config_on_storage(dir.path()).await;
        change(&mut config);
        let encrypted = config.transport.tls.is_some();
        let app = open(config, &clock).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, stopped) = oneshot::channel();
        #[allow(clippy::disallowed_methods, reason = "joined by stop")]
        let serving = tokio::spawn(app.serve(listener, async move {
            let _ = stopped.await;
        }));
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        // Where there is TLS, the test brings a channel of its own.
        let channel = if encrypted { endpoint.connect_lazy() } else { endpoint.connect().await.unwrap() };
        Ok(Self {
            dir,
            loopback,
            clock,
            address,
            workspaces: WorkspaceServiceClient::new(channel.clone()),
            collections: CollectionServiceClient::new(channel.clone()),
            documents: DocumentServiceClient::new(channel.clone()).max_decoding_message_size(16 << 20),
            snapshots: SnapshotServiceClient::new(channel.clone()),
            restores: RestoreServiceClient::new(channel.clone()),
            sources: SourceServiceClient::new(channel.clone()),
            channel,
            shutdown,
            serving,
        })
    }

    /// A client of a server that another process runs on this directory.
    pub async fn attach(dir: TempDir, address: &str) -> Self {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self::over(dir, address.parse().unwrap(), channel)
    }

    /// The same, over a channel that is there.
    #[allow(clippy::disallowed_methods, reason = "tests")]
    pub fn over(dir: TempDir, address: SocketAddr, channel: Channel) -> Self {
        let (shutdown, _) = oneshot::channel();
        Self {
            address,
            loopback: None,
            dir,
            clock: Clock::default(),
            workspaces: WorkspaceServiceClient::new(channel.clone()),
            collections: CollectionServiceClient::new(channel.clone()),
            documents: DocumentServiceClient::new(channel.clone()).max_decoding_message_size(16 << 20),
            snapshots: SnapshotServiceClient::new(channel.clone()),
            restores: RestoreServiceClient::new(channel.clone()),
            sources: SourceServiceClient::new(channel.clone()),
            channel,
            shutdown,
            serving: tokio::spawn(async { Ok(()) }),
        }
    }

    /// Makes all calls go through another channel.
    pub fn go_through(&mut self, channel: &Channel) {
        self.workspaces = WorkspaceServiceClient::new(channel.clone());
        self.collections = CollectionServiceClient::new(channel.clone());
        self.documents = DocumentServiceClient::new(channel.clone()).max_decoding_message_size(16 << 20);
        self.snapshots = SnapshotServiceClient::new(channel.clone());
        self.restores = RestoreServiceClient::new(channel.clone());
        self.sources = SourceServiceClient::new(channel.clone());
        self.channel = channel.clone();
    }

    /// Stops the server and hands its data on.
    pub async fn stop(self) -> TempDir {
        let Self { dir, shutdown, serving, .. } = self;
        let _ = shutdown.send(());
        let ended = tokio::time::timeout(DEADLINE, serving).await.expect("the server stops in time");
        ended.expect("no panic").expect("a clean stop");
        dir
    }

    /// Waits for a server that stops because something went wrong.
    pub async fn stopped_by_itself(self) {
        let ended = tokio::time::timeout(DEADLINE, self.serving).await.expect("the server stops by itself");
        ended.expect("no panic").expect_err("it says why");
    }

    /// One document, if it can be read.
    pub async fn try_get(&mut self, collection: &str, id: &str) -> Result<pb::Document, Status> {
        let request =
            pb::GetDocumentRequest { collection: collection_name(collection), id: id.to_owned(), ..Default::default() };
        Ok(self.documents.get_document(request).await?.into_inner())
    }

    pub async fn given_collection(&mut self, id: &str) -> pb::Collection {
        self.create_collection(COMMONS, id).await.unwrap()
    }

    /// Writes documents `0..count`, each `{"n": N, "version": VERSION}`, and
    /// returns the offset behind them.
    pub async fn given_documents(&mut self, collection: &str, count: usize, version: u32) -> i64 {
        let writes = (0..count).map(|n| upsert(&format!("{n:06}"), &format!(r#"{{"n":{n},"version":{version}}}"#)));
        self.write(collection, writes.collect()).await.offset
    }

    /// Writes, as a client does who repeats what was not done: a busy machine may keep
    /// its storage from answering for a while.
    pub async fn write(&mut self, collection: &str, writes: Vec<pb::Write>) -> pb::WriteDocumentsResponse {
        let collection = collection_name(collection);
        let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            match self.documents.write_documents(request.clone()).await {
                Err(status) if status.code() == Code::Unavailable && tokio::time::Instant::now() < deadline => {}
                answered => return answered.unwrap().into_inner(),
            }
        }
    }

    pub async fn stats(&mut self, collection: &str) -> pb::collection::Stats {
        self.collection(collection).await.unwrap().stats.unwrap()
    }

    pub async fn collection(&mut self, id: &str) -> Result<pb::Collection, Status> {
        let name = collection_name(id);
        Ok(self.collections.get_collection(pb::GetCollectionRequest { name }).await?.into_inner())
    }

    pub async fn request_snapshot(&mut self, collection: &str, id: &str) -> Result<pb::Snapshot, Status> {
        self.create_snapshot(collection, id, pb::Snapshot::default()).await
    }

    /// Takes a snapshot and waits until it is CREATED.
    pub async fn given_snapshot(&mut self, collection: &str, id: &str) -> pb::Snapshot {
        self.request_snapshot(collection, id).await.unwrap();
        let last = self.watch_snapshot(id).await.pop().unwrap();
        assert_eq!(last.state(), pb::snapshot::State::Created, "{last:?}");
        last
    }

    /// All values of a watch.
    pub async fn watch_snapshot(&mut self, id: &str) -> Vec<pb::Snapshot> {
        let request = pb::WatchSnapshotRequest { name: snapshot_name(id) };
        let stream = self.snapshots.watch_snapshot(request).await.unwrap().into_inner();
        collect(stream).await.unwrap()
    }

    pub async fn get_snapshot(&mut self, id: &str) -> Result<pb::Snapshot, Status> {
        let request = pb::GetSnapshotRequest { name: snapshot_name(id) };
        Ok(self.snapshots.get_snapshot(request).await?.into_inner())
    }

    /// Starts a restore of a snapshot into a collection, under the id of the
    /// collection.
    pub async fn request_restore(&mut self, snapshot: &str, collection: &str) -> Result<pb::Restore, Status> {
        let request = restore_request(snapshot, collection);
        Ok(self.restores.create_restore(request).await?.into_inner())
    }

    /// Restores and waits for the end.
    pub async fn given_restore(&mut self, snapshot: &str, collection: &str) -> pb::Restore {
        self.request_restore(snapshot, collection).await.unwrap();
        let last = self.watch_restore(collection).await.pop().unwrap();
        assert_eq!(last.state(), pb::restore::State::Succeeded, "{last:?}");
        self.get_restore(collection).await.unwrap()
    }

    /// All values of a watch.
    pub async fn watch_restore(&mut self, id: &str) -> Vec<pb::RestoreProgress> {
        let request = pb::WatchRestoreRequest { name: restore_name(id) };
        let stream = self.restores.watch_restore(request).await.unwrap().into_inner();
        collect(stream).await.unwrap()
    }

    pub async fn get_restore(&mut self, id: &str) -> Result<pb::Restore, Status> {
        let request = pb::GetRestoreRequest { name: restore_name(id) };
        Ok(self.restores.get_restore(request).await?.into_inner())
    }

    /// Every document of a collection, in order, as id and JSON.
    pub async fn scan(&mut self, collection: &str) -> Vec<(String, String)> {
        let request = pb::StreamDocumentsRequest { collection: collection_name(collection), ..Default::default() };
        let stream = self.documents.stream_documents(request).await.unwrap().into_inner();
        let messages: Vec<pb::StreamDocumentsResponse> = collect(stream).await.unwrap();
        messages.into_iter().flat_map(|message| message.documents).map(|d| (d.id.clone(), json(&d))).collect()
    }

    /// Whether a collection still has files.
    pub fn has_files(&self, collection_uid: &str) -> bool {
        has_files(&self.files(collection_uid))
    }

    /// Where the files of a collection are.
    pub fn files(&self, collection_uid: &str) -> std::path::PathBuf {
        self.dir.path().join("storage/collections").join(collection_uid)
    }
}

/// Whether there is a file below a directory. A bucket has no directories; the
/// server of it may leave empty ones.
pub fn has_files(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.any(|path| !path.is_dir() || has_files(&path))
}

/// Everything a stream says, or the error that ends it.
pub async fn collect<T>(mut stream: tonic::Streaming<T>) -> Result<Vec<T>, Status> {
    let all = async {
        let mut messages = Vec::new();
        while let Some(message) = stream.message().await? {
            messages.push(message);
        }
        Ok(messages)
    };
    tokio::time::timeout(DEADLINE, all).await.expect("the stream ends in time")
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "{what}");
}

/// One write to `books`, which may fail.
pub async fn try_write(server: &mut TestServer, id: &str) -> Result<pb::WriteDocumentsResponse, Status> {
    let request = pb::WriteDocumentsRequest {
        collection: collection_name("books"),
        writes: vec![upsert(id, "{}")],
        ..Default::default()
    };
    Ok(server.documents.write_documents(request).await?.into_inner())
}

pub fn upsert(id: &str, json: &str) -> pb::Write {
    let document = pb::Document {
        id: id.to_owned(),
        body: Some(pb::document::Body::Json(json.to_owned().into_bytes().into())),
        ..Default::default()
    };
    pb::Write { operation: Some(pb::write::Operation::Upsert(document)), if_etag: None }
}

pub fn delete(id: &str) -> pb::Write {
    pb::Write { operation: Some(pb::write::Operation::DeleteId(id.to_owned())), if_etag: None }
}

pub fn restore_request(snapshot: &str, collection: &str) -> pb::CreateRestoreRequest {
    let restore = pb::Restore {
        snapshot: snapshot_name(snapshot),
        collection: collection_name(collection),
        ..Default::default()
    };
    pb::CreateRestoreRequest {
        parent: COMMONS.to_owned(),
        restore_id: collection.to_owned(),
        restore: Some(restore),
        ..Default::default()
    }
}

/// The JSON of a document that was read as JSON.
pub fn json(document: &pb::Document) -> String {
    match document.body.as_ref().unwrap() {
        pb::document::Body::Json(json) => String::from_utf8(json.to_vec()).unwrap(),
        pb::document::Body::Fields(fields) => panic!("{fields:?} is not JSON"),
    }
}

pub fn collection_name(id: &str) -> String {
    format!("{COMMONS}/collections/{id}")
}

pub fn snapshot_name(id: &str) -> String {
    format!("{COMMONS}/snapshots/{id}")
}

pub fn restore_name(id: &str) -> String {
    format!("{COMMONS}/restores/{id}")
}

/// The reason of an error, which must have exactly one `ErrorInfo` of ours.
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{status:?} has no ErrorInfo"));
    assert_eq!(info.domain, "stillframe");
    check_words(status, &details);
    info.reason.clone()
}

/// The records of a server that has stopped. In one process its last connection
/// may let go of them a moment later.
pub async fn records_of(dir: &TempDir) -> Records {
    let mut opened = None;
    eventually("the records can be opened", async || {
        opened = open_records(&config(dir.path()), &Clock::default(), &Tasks::default()).await.ok();
        opened.is_some()
    })
    .await;
    opened.unwrap().records
}

/// `stillframe records` with a data directory, whatever the environment says of a root.
pub fn records_command(command: &[&str], data_dir: &Path) -> Command {
    operator_command(&[&["records"], command].concat(), data_dir)
}

/// A command of an operator, in the same way.
pub fn operator_command(command: &[&str], data_dir: &Path) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_stillframe"));
    process.env_remove("STILLFRAME_STORAGE").args(command).arg("--data-dir").arg(data_dir);
    process
}

/// The storage root as databases see it, beside its server.
pub fn sealed(server: &TestServer) -> Sealed {
    #[cfg(feature = "s3")]
    if let Some(stillframe::documents::Storage::S3(bucket)) = server.loopback.as_ref().map(Loopback::storage) {
        return Sealed::new(stillframe::documents::connect(&bucket).unwrap(), Arc::default());
    }
    let store = LocalFileSystem::new_with_prefix(server.dir.path().join("storage")).unwrap();
    Sealed::new(Arc::new(store), Arc::default())
}

/// The database of a collection, beside its server.
pub fn admin(server: &TestServer, uid: &str) -> Admin {
    Admin::builder(format!("collections/{uid}"), Arc::new(sealed(server))).build()
}
