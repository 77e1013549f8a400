//! Objects as files that survive power loss.
//!
//! Reading is the library's. Writing is ours, because a database stands on it: an
//! object that is created once must never be taken for somebody else's. The library
//! links a file to its name and syncs the directory; if that sync fails, the object is
//! there and the call has failed, and when it is tried again it finds the object taken.
//! We know our file by its inode.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, stream::BoxStream};
use parking_lot::Mutex;
use slatedb::object_store::{
    CopyMode, CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
    local::LocalFileSystem, path::Path,
};
use slatedb_common::retry::NonRetryable;

use super::ends::Ends;
use crate::{
    durable::{AtPath, Identity, Staged, sync_parent},
    tasks::off_thread,
};

/// Objects below a directory. Clones share it.
#[derive(Clone, Debug)]
pub struct Disk {
    directory: Arc<PathBuf>,
    below: LocalFileSystem,
    /// Files that have got their names, while their directories could not be synced.
    unsettled: Arc<Mutex<HashMap<PathBuf, Identity>>>,
    ends: Arc<Ends>,
}

impl Disk {
    /// The objects below a directory that is there.
    pub fn new(directory: &FilePath) -> Result<Self> {
        let below = LocalFileSystem::new_with_prefix(directory)?;
        Ok(Self { directory: Arc::new(directory.to_owned()), below, unsettled: Arc::default(), ends: Arc::default() })
    }

    /// Creates an object; false if there is one of another. What an earlier call of
    /// this process has created, and could not make durable, is made so here, and is
    /// what was asked for if its bytes are.
    fn create(&self, path: &FilePath, payload: &PutPayload) -> io::Result<bool> {
        let staged = stage(path, payload)?;
        if staged.link(path)? {
            let identity = staged.identity()?;
            return sync_parent(path).map(|()| true).inspect_err(|_| {
                self.unsettled.lock().insert(path.to_owned(), identity);
            });
        }
        let Some(earlier) = self.unsettled.lock().get(path).copied() else { return Ok(false) };
        sync_parent(path)?;
        self.unsettled.lock().remove(path);
        Ok(Identity::at(path)? == Some(earlier) && holds(path, payload)?)
    }
}

fn stage(path: &FilePath, payload: &PutPayload) -> io::Result<Staged> {
    let staged = Staged::create_with_parents(path)?;
    payload.iter().try_for_each(|bytes| staged.append(bytes))?;
    Ok(staged)
}

fn holds(path: &FilePath, payload: &PutPayload) -> io::Result<bool> {
    Ok(std::fs::read(path)? == Bytes::from(payload.clone()))
}

/// A full disk does not get room by trying again, and whoever waits would wait for
/// nothing.
fn failed(path: &FilePath, source: io::Error) -> StoreError {
    let is_full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let failed = AtPath { path: path.to_owned(), source };
    StoreError::Generic {
        store: "disk",
        source: if is_full { Box::new(NonRetryable(Box::new(failed))) } else { Box::new(failed) },
    }
}

/// Runs what waits for the disk, and says what it failed at.
async fn on<T: Send + 'static>(
    path: PathBuf,
    call: impl FnOnce(&FilePath) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    off_thread(move || call(&path).map_err(|error| failed(&path, error))).await?
}

/// What a local file has no place for. SlateDB asks again without.
fn without_attributes(has_none: bool) -> Result<()> {
    let refused = || StoreError::NotImplemented { operation: "attributes".into(), implementer: "disk".into() };
    has_none.then_some(()).ok_or_else(refused)
}

fn written() -> PutResult {
    PutResult { e_tag: None, version: None, extensions: slatedb::object_store::Extensions::default() }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disk({})", self.directory.display())
    }
}

#[async_trait]
impl ObjectStore for Disk {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let PutOptions { mode, attributes, tags: _, extensions: _ } = options;
        without_attributes(attributes.is_empty())?;
        let path = self.below.path_to_filesystem(location)?;
        match mode {
            PutMode::Create => {
                let (disk, object) = (self.clone(), location.clone());
                let create = move |path: &FilePath| {
                    let created = disk.create(path, &payload)?;
                    if created {
                        disk.ends.note(&disk.directory, &object);
                    }
                    Ok(created)
                };
                if on(path, create).await? {
                    return Ok(written());
                }
                let source = io::Error::from(io::ErrorKind::AlreadyExists).into();
                Err(StoreError::AlreadyExists { path: location.to_string(), source })
            }
            PutMode::Overwrite => {
                on(path, move |path| stage(path, &payload)?.replace(path)).await?;
                Ok(written())
            }
            PutMode::Update(_) => {
                Err(StoreError::NotImplemented { operation: "conditional updates".into(), implementer: "disk".into() })
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        without_attributes(options.attributes.is_empty())?;
        let path = self.below.path_to_filesystem(location)?;
        let destination = path.clone();
        let staged = on(path, Staged::create_with_parents).await?;
        Ok(Box::new(Upload { destination, staged: Some(Arc::new(staged)), offset: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.below.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>> {
        self.below.get_ranges(location, ranges).await
    }

    /// Not durable, which is enough for what is garbage again if it comes back.
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.below.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.below.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.below.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.below.list_with_delimiter(prefix).await
    }

    /// By a second name of the same file: objects never change.
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        if options.mode == CopyMode::Create {
            // Nobody needs it, and it would have to be settled as a create is.
            return Err(StoreError::NotImplemented {
                operation: "copies to new names".into(),
                implementer: "disk".into(),
            });
        }
        let [source, path] = [from, to].map(|location| self.below.path_to_filesystem(location));
        let source = source?;
        let linked = on(path?, {
            let source = source.clone();
            move |path| match Staged::linked(&source, path) {
                Err(error) if Identity::at(&source)?.is_none() => Ok(Err(error)),
                staged => staged?.replace(path).map(Ok),
            }
        });
        linked.await?.map_err(|error| StoreError::NotFound { path: from.to_string(), source: error.into() })
    }
}

/// A large object, written in parts.
#[derive(Debug)]
struct Upload {
    destination: PathBuf,
    staged: Option<Arc<Staged>>,
    offset: u64,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let (staged, path, mut offset) = (self.staged.clone(), self.destination.clone(), self.offset);
        self.offset += part.content_length() as u64;
        let write = move |_: &FilePath| {
            let staged = staged.ok_or_else(over)?;
            part.iter().try_for_each(|bytes| {
                staged.write_at(bytes, offset)?;
                offset += bytes.len() as u64;
                Ok(())
            })
        };
        on(path, write).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self.staged.take().and_then(Arc::into_inner);
        on(self.destination.clone(), move |path| staged.ok_or_else(over)?.replace(path)).await?;
        Ok(written())
    }

    async fn abort(&mut self) -> Result<()> {
        // Dropped with its last part.
        self.staged = None;
        Ok(())
    }
}

fn over() -> io::Error {
    io::Error::other("the upload is over, or parts of it are under way")
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use rustix::io::Errno;
    use slatedb::object_store::ObjectStoreExt;

    use super::*;
    use crate::durable::{Call, faults};

    struct Given {
        dir: tempfile::TempDir,
        disk: Disk,
    }

    impl Given {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let disk = Disk::new(dir.path()).unwrap();
            Self { dir, disk }
        }

        async fn create(&self, path: &str, bytes: &'static str) -> Result<PutResult> {
            self.disk.put_opts(&Path::from(path), bytes.into(), PutMode::Create.into()).await
        }

        async fn get(&self, path: &str) -> Bytes {
            self.disk.get(&Path::from(path)).await.unwrap().bytes().await.unwrap()
        }

        /// Every file, shown or not.
        fn names(&self, folder: &str) -> Vec<String> {
            let entries = std::fs::read_dir(self.dir.path().join(folder)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    fn is_taken<T>(answer: Result<T>) -> bool {
        matches!(answer, Err(StoreError::AlreadyExists { .. }))
    }

    #[tokio::test]
    async fn an_object_is_created_once_and_written_over_and_copied() {
        let given = Given::new();
        given.create("a/b/1", "one").await.unwrap();
        assert!(is_taken(given.create("a/b/1", "one").await), "the same bytes are no excuse");
        assert_eq!(given.get("a/b/1").await, "one");
        let (one, two) = (Path::from("a/b/1"), Path::from("c/2"));
        given.disk.copy(&one, &two).await.unwrap();
        given.disk.copy(&one, &two).await.unwrap();
        given.disk.put(&one, "more".into()).await.unwrap();
        assert_eq!((given.get("a/b/1").await, given.get("c/2").await), ("more".into(), "one".into()));
        let missing = given.disk.copy(&Path::from("a/9"), &two).await;
        assert!(matches!(missing, Err(StoreError::NotFound { .. })), "{missing:?}");
        assert_eq!((given.names("a/b"), given.names("c")), (vec!["1".to_owned()], vec!["2".to_owned()]));
    }

    #[tokio::test]
    async fn parts_are_one_object_when_they_are_complete_and_none_before() {
        let given = Given::new();
        let path = Path::from("large/1");
        let mut upload = given.disk.put_multipart(&path).await.unwrap();
        let (second, first) = {
            let first = upload.put_part("first,".into());
            (upload.put_part("second".into()), first)
        };
        second.await.unwrap();
        first.await.unwrap();
        assert!(given.disk.head(&path).await.is_err());
        upload.complete().await.unwrap();
        assert_eq!(given.get("large/1").await, "first,second");
        let mut given_up = given.disk.put_multipart(&path).await.unwrap();
        given_up.put_part("third".into()).await.unwrap();
        given_up.abort().await.unwrap();
        assert!(given_up.complete().await.is_err());
        assert_eq!(given.get("large/1").await, "first,second");
        assert_eq!(given.names("large"), ["1"]);
        let deleted = futures::stream::iter([Ok(path)]).boxed();
        assert_eq!(given.disk.delete_stream(deleted).count().await, 1);
        assert_eq!(given.names("large").len(), 0);
    }

    /// What failed has left nothing, or is settled by the next attempt.
    #[tokio::test]
    async fn a_create_that_fails_once_is_done_by_the_next_attempt() {
        let all = [Call::Create, Call::Write, Call::SyncFile, Call::Link, Call::OpenDirectory, Call::SyncDirectory];
        for (call, errno) in all.into_iter().flat_map(|call| [Errno::IO, Errno::NOSPC, Errno::MFILE].map(|e| (call, e)))
        {
            let given = Given::new();
            std::fs::create_dir(given.dir.path().join("wal")).unwrap();
            let fault = faults::fail(given.dir.path(), call, errno, 1);
            if given.create("wal/1", "ours").await.is_err() {
                given.create("wal/1", "ours").await.unwrap();
            }
            assert_eq!(fault.met(), 1, "{call:?}");
            assert!(is_taken(given.create("wal/1", "ours").await), "{call:?}");
            assert_eq!((given.get("wal/1").await, given.names("wal").len()), ("ours".into(), 1), "{call:?}");
        }
    }

    #[tokio::test]
    async fn an_object_whose_directory_could_not_be_synced_is_known_again_by_its_file() {
        let given = Given::new();
        std::fs::create_dir(given.dir.path().join("wal")).unwrap();
        let fault = faults::fail(given.dir.path(), Call::SyncDirectory, Errno::IO, usize::MAX);
        for path in ["wal/1", "wal/2", "wal/3"] {
            given.create(path, "ours").await.unwrap_err();
            assert!(!is_taken(given.create(path, "ours").await), "it still cannot be said whose it is");
        }
        drop(fault);
        given.create("wal/1", "ours").await.unwrap();
        assert!(is_taken(given.create("wal/2", "another's").await));
        // Replaced by somebody else, by the same bytes even.
        let third = given.dir.path().join("wal/3");
        std::fs::write(given.dir.path().join("theirs"), "ours").unwrap();
        std::fs::rename(given.dir.path().join("theirs"), &third).unwrap();
        assert!(is_taken(given.create("wal/3", "ours").await));
        assert_eq!(given.disk.unsettled.lock().len(), 0);
    }

    #[tokio::test]
    async fn a_full_disk_is_not_tried_again_and_other_faults_are() {
        for (errno, is_retried) in [(Errno::NOSPC, false), (Errno::DQUOT, false), (Errno::IO, true)] {
            let given = Given::new();
            let _fault = faults::fail(given.dir.path(), Call::Write, errno, 1);
            let error = given.create("1", "ours").await.unwrap_err();
            assert_eq!(slatedb_common::retry::should_retry(&error), is_retried, "{error:?}");
        }
    }
}
