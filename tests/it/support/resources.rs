//! Shorthand for the four services that own resources.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    path::{Path, PathBuf},
    time::Duration,
};

use stillframe::pb;
use tonic::{Code, Status};

use super::{
    COMMONS, TestServer, collection_name, eventually, reason, restore_name,
    s3::{Refusal, Refuse},
    snapshot_name,
};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far from the end of something its time is still certain not to be over: what
/// lies in between goes by on the real clock, too.
pub const EDGE: Duration = Duration::from_mins(10);

/// Up to the [`EDGE`].
pub fn almost(duration: Duration) -> Duration {
    duration.checked_sub(EDGE).unwrap()
}

/// Ids that none of the services may accept. The empty one is none in a name, and in a
/// request to create one that the server is to make.
pub const BAD_IDS: &[&str] =
    &["-a", "_a", "a.b", ".", "..", "a/b", "/", "a b", " a", "ä", "日本", "a\n", "a\0", "*", "a%2fb", LONG_ID];
/// One character more than an id may have.
pub const LONG_ID: &str = concat!(
    "0123456789012345678901234567890123456789012345678901234567890123",
    "01234567890123456789012345678901234567890123456789012345678901234"
);

impl TestServer {
    pub async fn given_workspace(&mut self, id: &str) -> pb::Workspace {
        self.create_workspace(id, pb::Workspace::default()).await.unwrap()
    }

    pub async fn create_workspace(&mut self, id: &str, workspace: pb::Workspace) -> Result<pb::Workspace, Status> {
        let request = pb::CreateWorkspaceRequest {
            workspace_id: id.to_owned(),
            workspace: Some(workspace),
            ..Default::default()
        };
        Ok(self.workspaces.create_workspace(request).await?.into_inner())
    }

    pub async fn get_workspace(&mut self, id: &str) -> Result<pb::Workspace, Status> {
        let name = format!("workspaces/{id}");
        Ok(self.workspaces.get_workspace(pb::GetWorkspaceRequest { name }).await?.into_inner())
    }

    pub async fn update_workspace(
        &mut self,
        workspace: pb::Workspace,
        paths: Option<&[&str]>,
    ) -> Result<pb::Workspace, Status> {
        let request = pb::UpdateWorkspaceRequest { workspace: Some(workspace), update_mask: paths.map(mask) };
        Ok(self.workspaces.update_workspace(request).await?.into_inner())
    }

    /// Changes a gate of `commons`.
    pub async fn given_gates(&mut self, gates: pb::Workspace) {
        let gates = pb::Workspace { name: COMMONS.to_owned(), ..gates };
        self.update_workspace(gates, None).await.unwrap();
    }

    pub async fn delete_workspace(&mut self, id: &str) -> Result<(), Status> {
        let request = pb::DeleteWorkspaceRequest { name: format!("workspaces/{id}"), ..Default::default() };
        self.workspaces.delete_workspace(request).await?;
        Ok(())
    }

    pub async fn create_collection(&mut self, parent: &str, id: &str) -> Result<pb::Collection, Status> {
        let request = pb::CreateCollectionRequest {
            parent: parent.to_owned(),
            collection_id: id.to_owned(),
            ..Default::default()
        };
        Ok(self.collections.create_collection(request).await?.into_inner())
    }

    pub async fn update_collection(
        &mut self,
        collection: pb::Collection,
        paths: Option<&[&str]>,
    ) -> Result<pb::Collection, Status> {
        let request = pb::UpdateCollectionRequest { collection: Some(collection), update_mask: paths.map(mask) };
        Ok(self.collections.update_collection(request).await?.into_inner())
    }

    pub async fn delete_collection(&mut self, id: &str) -> Result<(), Status> {
        let request = pb::DeleteCollectionRequest { name: collection_name(id), ..Default::default() };
        self.collections.delete_collection(request).await?;
        Ok(())
    }

    /// Requests a snapshot with all that a caller may say about it.
    pub async fn create_snapshot(
        &mut self,
        collection: &str,
        id: &str,
        snapshot: pb::Snapshot,
    ) -> Result<pb::Snapshot, Status> {
        let snapshot = pb::Snapshot { collection: collection_name(collection), ..snapshot };
        let request = pb::CreateSnapshotRequest {
            parent: COMMONS.to_owned(),
            snapshot_id: id.to_owned(),
            snapshot: Some(snapshot),
            ..Default::default()
        };
        Ok(self.snapshots.create_snapshot(request).await?.into_inner())
    }

    pub async fn update_snapshot(
        &mut self,
        snapshot: pb::Snapshot,
        paths: Option<&[&str]>,
    ) -> Result<pb::Snapshot, Status> {
        let request = pb::UpdateSnapshotRequest { snapshot: Some(snapshot), update_mask: paths.map(mask) };
        Ok(self.snapshots.update_snapshot(request).await?.into_inner())
    }

    pub async fn delete_snapshot(&mut self, id: &str) -> Result<(), Status> {
        let request = pb::DeleteSnapshotRequest { name: snapshot_name(id), ..Default::default() };
        self.snapshots.delete_snapshot(request).await?;
        Ok(())
    }

    /// The ids of the snapshots in `commons`, by name.
    pub async fn snapshot_ids(&mut self, show_deleted: bool) -> Vec<String> {
        let request = pb::ListSnapshotsRequest { parent: COMMONS.to_owned(), show_deleted, ..Default::default() };
        let listed = self.snapshots.list_snapshots(request).await.unwrap().into_inner();
        listed.snapshots.iter().map(|snapshot| id_of(&snapshot.name)).collect()
    }

    /// Makes the next snapshot of a collection, which has documents, FAILED.
    pub async fn given_failed_snapshot(&mut self, collection: &str, id: &str) -> pb::Snapshot {
        let before = self.given_snapshot(collection, &format!("before-{id}")).await;
        self.given_failed_behind(&before, collection, id).await
    }

    /// The same behind a snapshot. No file list can be made while the data files are away,
    /// and those that there are, which know their sizes, are lost.
    pub async fn given_failed_behind(&mut self, before: &pb::Snapshot, collection: &str, id: &str) -> pb::Snapshot {
        let aside = tempfile::tempdir_in(self.dir.path()).unwrap();
        let files = self.data_files(&before.collection_uid);
        assert!(!files.is_empty(), "a list of no files is derived without them");
        let away = |file: &Path| aside.path().join(file.file_name().unwrap());
        for file in &files {
            std::fs::rename(file, away(file)).unwrap();
        }
        // Those of the same manifest would do as well.
        let lists = self.dir.path().join("storage/files");
        for list in std::fs::read_dir(lists).unwrap() {
            // One that has ended may let go of its own.
            if let Err(error) = std::fs::remove_file(list.unwrap().path()) {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            }
        }
        self.request_snapshot(collection, id).await.unwrap();
        let last = self.watch_snapshot(id).await.pop().unwrap();
        for file in &files {
            std::fs::rename(away(file), file).unwrap();
        }
        assert_eq!(last.state(), pb::snapshot::State::Failed, "{last:?}");
        last
    }

    pub async fn create_restore(&mut self, request: pb::CreateRestoreRequest) -> Result<pb::Restore, Status> {
        Ok(self.restores.create_restore(request).await?.into_inner())
    }

    pub async fn cancel_restore(&mut self, id: &str) -> Result<pb::Restore, Status> {
        let request = pb::CancelRestoreRequest { name: restore_name(id) };
        Ok(self.restores.cancel_restore(request).await?.into_inner())
    }

    /// The last value of a watch.
    pub async fn ended_restore(&mut self, id: &str) -> pb::RestoreProgress {
        self.watch_restore(id).await.pop().unwrap()
    }

    /// Waits until a restore is RUNNING.
    pub async fn running_restore(&mut self, id: &str) {
        eventually("the restore runs", async || {
            self.get_restore(id).await.unwrap().state() == pb::restore::State::Running
        })
        .await;
    }

    /// The data files of a collection, whoever keeps them.
    pub fn data_files(&self, collection_uid: &str) -> Vec<PathBuf> {
        let directory = self.files(collection_uid).join("compacted");
        let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "sst")).collect();
        paths.sort();
        paths
    }

    /// Bytes of the data files of a collection.
    pub fn data_bytes(&self, collection_uid: &str) -> i64 {
        let bytes = |path: PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        let bytes: u64 = self.data_files(collection_uid).into_iter().map(bytes).sum();
        i64::try_from(bytes).unwrap()
    }

    /// Bytes of the objects that only a snapshot has: what it is made of, not its files.
    pub fn own_bytes(&self, snapshot_uid: &str) -> i64 {
        let bytes = |folder| std::fs::metadata(self.dir.path().join("storage").join(folder).join(snapshot_uid));
        i64::try_from(bytes("files").unwrap().len() + bytes("manifests").unwrap().len()).unwrap()
    }

    /// Bytes of the data files that a snapshot keeps.
    pub fn file_bytes(&self, snapshot: &pb::Snapshot) -> i64 {
        snapshot.referenced_bytes - self.own_bytes(&snapshot.uid)
    }

    /// Everything that needs storage at `path` fails, and is tried again, until
    /// the block is lifted: how a test stops time for a worker.
    pub fn block(&self, path: &str) -> Block {
        if self.loopback.is_some() {
            return Block::Requests(Refusal::begin(self.dir.path(), path, Refuse::All));
        }
        let block = self.hide(path);
        let obstacle = block.path.with_extension("obstacle");
        std::fs::write(&obstacle, "").unwrap();
        block.point_at(&obstacle);
        Block::Files(block)
    }

    /// As [`Self::block`], but reading finds nothing there instead of failing.
    fn block_writes(&self, path: &str) -> Block {
        if self.loopback.is_some() {
            return Block::Requests(Refusal::begin(self.dir.path(), path, Refuse::Writes));
        }
        let block = self.hide(path);
        block.point_at(Path::new("nowhere"));
        Block::Files(block)
    }

    fn hide(&self, path: &str) -> Hidden {
        let path = self.dir.path().join("storage").join(path);
        let aside = path.with_extension("aside");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::rename(&path, &aside).unwrap();
        Hidden { path, aside }
    }

    /// Snapshots stay REQUESTED and restores PENDING.
    pub fn block_pins(&self) -> Block {
        self.block("files")
    }

    /// Restores stay RUNNING, before they have copied a file, and those that are
    /// cancelled, too.
    pub fn block_copies_and_clean_up(&self) -> Block {
        self.block("staging")
    }

    /// Restores stay RUNNING, before they have copied a file.
    pub fn block_copies(&self) -> Block {
        self.block_writes("staging")
    }
}

/// See [`TestServer::block`].
#[must_use = "lift it, or the server waits"]
pub enum Block {
    /// In a directory.
    Files(Hidden),
    /// In a bucket.
    Requests(Refusal),
}

impl Block {
    pub fn lift(self) {
        match self {
            Self::Files(hidden) => hidden.point_at(&hidden.aside),
            Self::Requests(refusal) => refusal.end(),
        }
    }
}

/// A directory that was replaced by something that is none.
pub struct Hidden {
    path: PathBuf,
    aside: PathBuf,
}

impl Hidden {
    /// At one stroke: a worker may be looking.
    fn point_at(&self, target: &Path) {
        let link = self.path.with_extension("link");
        std::os::unix::fs::symlink(target, &link).unwrap();
        std::fs::rename(&link, &self.path).unwrap();
    }
}

/// The error, which must have this code and reason.
#[track_caller]
pub fn refused<T: Debug>(answer: Result<T, Status>, code: Code, why: &str) -> Status {
    let status = answer.expect_err(why);
    assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{status:?}");
    status
}

/// The error must complain about exactly these fields.
#[track_caller]
pub fn refused_fields<T: Debug>(answer: Result<T, Status>, fields: &[&str]) {
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(super::bad_fields(&status), fields, "{status:?}");
}

pub fn mask(paths: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
}

pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The last segment of a name.
pub fn id_of(name: &str) -> String {
    name.rsplit('/').next().unwrap().to_owned()
}

/// Microseconds since the epoch.
pub fn micros(time: Option<&prost_types::Timestamp>) -> i64 {
    let time = time.expect("a time");
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1000
}

pub fn time(micros: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

pub fn span(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap()
}

/// When a snapshot expires, in microseconds since the epoch.
pub fn expire_time(snapshot: &pb::Snapshot) -> i64 {
    match &snapshot.expiration {
        Some(pb::snapshot::Expiration::ExpireTime(time)) => micros(Some(time)),
        other => panic!("{other:?} is not a time"),
    }
}

/// A snapshot that lives this long.
pub fn with_ttl(ttl: Duration) -> pb::Snapshot {
    pb::Snapshot { expiration: Some(pb::snapshot::Expiration::Ttl(span(ttl))), ..Default::default() }
}

/// A snapshot that lives until then.
pub fn until(time_micros: i64) -> pb::Snapshot {
    pb::Snapshot { expiration: Some(pb::snapshot::Expiration::ExpireTime(time(time_micros))), ..Default::default() }
}
