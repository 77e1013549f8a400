//! The storage root: the objects that hold everything but the metadata.
//!
//! Nothing unknown is ever deleted: a prefix is removed only by a caller that
//! holds a durable record naming its uid.

#[cfg(feature = "s3")]
mod advice;
mod aside;
mod disk;
mod ends;
mod links;
#[cfg(feature = "s3")]
mod probe;
#[cfg(feature = "s3")]
pub mod s3;
mod sweep;
mod unusable;

use std::{
    collections::BTreeSet,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
/// An object that is being written, of any size: it is there when the writer was
/// shut down, and not before.
pub use slatedb::object_store::buffered::BufWriter as Upload;
use slatedb::object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, path::Path};
use uuid::Uuid;

use self::disk::Disk;
pub(super) use self::ends::{END, End};
pub use self::unusable::Unusable;
#[cfg(feature = "s3")]
use super::{
    location::Bucket,
    paths::{collection, staging},
};
use super::{
    location::Storage,
    sealed::{Older, Sealed},
};
use crate::{
    durable::{self, AtPath},
    error::Error,
    tasks::off_thread,
};

/// What lies directly under the root, and must last; what is staged is made again.
const FOLDERS: [&str; 4] = ["collections", "files", "manifests", "records"];
/// What SlateDB has in the directory of a database.
const DATABASE: [&str; 4] = ["manifest", "wal", "compacted", "compactions"];

/// The storage root. Clones share it.
#[derive(Clone, Debug)]
pub struct Root {
    store: Arc<dyn ObjectStore>,
    /// The same without seals: what is damaged is moved as it is.
    below: Arc<dyn ObjectStore>,
    older: Arc<Older>,
    /// Where the objects are files.
    directory: Option<Arc<PathBuf>>,
    /// Where it is, for people.
    name: Arc<str>,
}

impl Root {
    /// Opens a root, and finds out whether it can be used. A directory must be there.
    pub async fn open(storage: &Storage) -> Result<Self, Unusable> {
        match storage {
            Storage::Directory(directory) => Ok(Self::existing(directory)?),
            #[cfg(feature = "s3")]
            Storage::S3(bucket) => {
                let root = Self::bucket(bucket)?;
                probe::probe(&root, bucket).await?;
                Ok(root)
            }
            #[cfg(not(feature = "s3"))]
            Storage::S3(_) => Err(Unusable::unfit("this build has no S3")),
        }
    }

    /// Opens a root to look at it: nothing is created, nor tried.
    pub fn open_to_read(storage: &Storage) -> Result<Self, Error> {
        match storage {
            Storage::Directory(directory) => Self::existing(directory),
            #[cfg(feature = "s3")]
            Storage::S3(bucket) => Self::bucket(bucket),
            #[cfg(not(feature = "s3"))]
            Storage::S3(_) => Err(Error::internal("this build has no S3")),
        }
    }

    /// A local directory, created if need be.
    pub fn local(directory: &FilePath) -> Result<Self, Error> {
        durable::ensure_dir(directory)?;
        Self::existing(directory)
    }

    fn existing(directory: &FilePath) -> Result<Self, Error> {
        let directory = directory.canonicalize()?;
        let (store, name) = (Disk::new(&directory)?, directory.display().to_string());
        Ok(Self::over(Arc::new(store), Some(directory), &name))
    }

    #[cfg(feature = "s3")]
    fn bucket(bucket: &Bucket) -> Result<Self, Error> {
        Ok(Self::over(s3::connect(bucket)?, None, &bucket.to_string()))
    }

    /// Everybody reads and writes databases through seals.
    fn over(below: Arc<dyn ObjectStore>, directory: Option<PathBuf>, name: &str) -> Self {
        let older = Arc::<Older>::default();
        let store = Arc::new(Sealed::new(Arc::clone(&below), Arc::clone(&older)));
        Self { store, below, older, directory: directory.map(Arc::new), name: name.into() }
    }

    /// Where it is, for people: a directory, or `s3://BUCKET/PREFIX`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same root, as another store shows it.
    pub(super) fn shown_by(&self, store: Arc<dyn ObjectStore>) -> Self {
        Self { store, ..self.clone() }
    }

    /// What was written before there were seals.
    #[must_use]
    pub fn older(&self) -> &Older {
        &self.older
    }

    /// The object store, through seals.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The directory, if objects are files in one.
    #[must_use]
    pub fn directory(&self) -> Option<&FilePath> {
        self.directory.as_deref().map(PathBuf::as_path)
    }

    /// The file behind an object, if it is one.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<PathBuf> {
        self.directory().map(|directory| directory.join(path.as_ref()))
    }

    /// Writes an object, over what was there.
    pub async fn put(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<(), Error> {
        self.store.put(path, bytes.into()).await?;
        Ok(())
    }

    /// Writes an object that must not exist; false if it does.
    pub async fn put_new(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<bool, Error> {
        match self.store.put_opts(path, bytes.into(), PutMode::Create.into()).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads an object.
    pub async fn get(&self, path: &Path) -> Result<Option<Bytes>, Error> {
        match self.store.get(path).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads an object as it comes.
    pub async fn stream(&self, path: &Path) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        match self.store.get(path).await {
            Ok(found) => Ok(Some(found.into_stream().map_err(Error::from).boxed())),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes an object piece by piece, over what was there.
    #[must_use]
    pub fn upload(&self, path: &Path) -> Upload {
        Upload::new(self.store(), path.clone())
    }

    /// Makes an object that is there, though writing it failed, durable. What a
    /// bucket shows is durable.
    pub async fn sync(&self, path: &Path) -> Result<(), Error> {
        self.on_file(path, |file| durable::sync_parent(&file)).await
    }

    /// Makes the folders that everything lies in, and makes durable what an earlier
    /// process has made, or removed, right under the root and in them: it may have been
    /// killed before it came to that, and we go by what we find.
    pub async fn lay_out(&self) -> Result<(), Error> {
        self.on_file(&Path::default(), |root| {
            for folder in FOLDERS {
                let folder = root.join(folder);
                durable::create_dir_all(&folder)?;
                durable::sync_directory(&folder)?;
            }
            durable::sync_directory(&root)
        })
        .await
    }

    /// Makes the directories of a new database, which are durable before anything is
    /// in them: of two files that are made in a new directory at once, one would find
    /// it there, and be acknowledged before the other has synced it.
    pub async fn prepare(&self, uid: Uuid) -> Result<(), Error> {
        self.on_file(&collection(uid), |database| {
            DATABASE.iter().try_for_each(|name| durable::create_dir_all(&database.join(name)))?;
            durable::sync_tree(&database)
        })
        .await
    }

    /// Makes durable what was linked below a prefix, by whichever attempt, and that
    /// the prefix is there.
    pub async fn sync_tree(&self, prefix: &Path) -> Result<(), Error> {
        self.on_file(prefix, |directory| durable::sync_tree(&directory)).await
    }

    /// How far a database has got, where that is noted.
    pub(super) async fn end(&self, uid: Uuid) -> Result<End, Error> {
        self.on_file(&Path::default(), move |root| Ok(ends::end(&root, uid)?.unwrap_or_default())).await
    }

    /// Does something about the file of an object, if objects are files.
    async fn on_file<T: Default + Send + 'static>(
        &self,
        path: &Path,
        call: impl FnOnce(PathBuf) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(file) = self.file(path) else { return Ok(T::default()) };
        let name = file.clone();
        let done = off_thread(move || call(file)).await;
        let done = done.map_err(|panicked| Error::Internal(Arc::new(panicked)))?;
        done.map_err(|source| Error::Unavailable(Arc::new(AtPath { path: name, source })))
    }

    /// The size of an object.
    pub async fn size(&self, path: &Path) -> Result<Option<u64>, Error> {
        match self.store.head(path).await {
            Ok(found) => Ok(Some(found.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, path: &Path) -> Result<(), Error> {
        match self.store.delete(path).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object, if it is there, for good: power loss must not bring it back
    /// when no record names it any more.
    pub async fn delete_durably(&self, path: &Path) -> Result<(), Error> {
        self.delete(path).await?;
        self.on_file(path, |file| unless_gone(durable::sync_parent(&file))).await
    }

    /// The objects below a prefix, with their sizes.
    pub async fn list(&self, prefix: &Path) -> Result<Vec<(Path, u64)>, Error> {
        Ok(self.store.list(Some(prefix)).map_ok(|found| (found.location, found.size)).try_collect().await?)
    }

    /// The objects below a prefix whose paths order behind another: of many, a bucket shows
    /// the few that were asked for.
    pub async fn list_behind(&self, prefix: &Path, path: &Path) -> Result<Vec<Path>, Error> {
        Ok(self.store.list_with_offset(Some(prefix), path).map_ok(|found| found.location).try_collect().await?)
    }

    /// The names directly below a prefix.
    pub async fn children(&self, prefix: &Path) -> Result<Vec<String>, Error> {
        let found = self.store.list_with_delimiter(Some(prefix)).await?;
        Ok(found.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned).collect())
    }

    /// Removes everything below a prefix that a durable record names.
    pub async fn remove_prefix(&self, prefix: &Path) -> Result<(), Error> {
        let paths = self.list(prefix).await?.into_iter().map(|(path, _)| path).collect();
        self.delete_each(paths).await?;
        self.on_file(prefix, |directory| {
            unless_gone(std::fs::remove_dir_all(&directory))?;
            // Before the record that names it goes: power loss must not bring it back
            // when nobody knows it any more.
            unless_gone(durable::sync_parent(&directory))
        })
        .await
    }

    /// Removes what there is of a collection that a durable record names.
    pub async fn remove_database(&self, uid: Uuid) -> Result<(), Error> {
        self.remove_prefix(&collection(uid)).await?;
        self.remove_prefix(&staging(uid)).await
    }

    /// Deletes these objects, in bulk where the store can, for good.
    pub async fn delete_all(&self, paths: impl Iterator<Item = Path>) -> Result<(), Error> {
        let paths: Vec<_> = paths.collect();
        let parents: BTreeSet<_> =
            paths.iter().filter_map(|path| Some(self.file(path)?.parent()?.to_owned())).collect();
        self.delete_each(paths).await?;
        self.on_file(&Path::default(), move |_| {
            parents.iter().try_for_each(|directory| unless_gone(durable::sync_directory(directory)))
        })
        .await
    }

    async fn delete_each(&self, paths: Vec<Path>) -> Result<(), Error> {
        let paths = paths.into_iter().map(Ok);
        let mut deleted = self.store.delete_stream(futures::stream::iter(paths).boxed());
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// What is not there need not be removed, nor what was in it.
fn unless_gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::durable::{Call, faults};

    #[tokio::test]
    async fn a_prefix_goes_whole_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let (gone, kept) = (collection(Uuid::from_u128(1)), collection(Uuid::from_u128(2)));
        for prefix in [&gone, &kept] {
            root.put(&prefix.clone().join("wal").join("1"), Bytes::from_static(b"x")).await.unwrap();
        }
        std::fs::write(root.file(&gone.clone().join("wal")).unwrap().join("2.sst#1"), b"half").unwrap();
        root.remove_prefix(&gone).await.unwrap();
        root.remove_prefix(&gone).await.unwrap();
        assert!(!root.file(&gone).unwrap().exists());
        assert_eq!(root.list(&kept).await.unwrap().len(), 1);
    }

    /// Every directory on the way is synced, whoever has made it, and a failure is told:
    /// the record that counts on it must not be written.
    #[tokio::test]
    async fn what_is_laid_out_prepared_or_removed_is_synced_or_has_failed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let uid = Uuid::from_u128(1);
        let storage = dir.path().canonicalize().unwrap();
        let (folder, database) = (storage.join("collections"), storage.join(collection(uid).as_ref()));
        for _ in ["made", "found"] {
            root.lay_out().await.unwrap();
            root.prepare(uid).await.unwrap();
            for directory in [storage.clone(), folder.clone()] {
                let _fault = faults::fail(&directory, Call::SyncDirectory, Errno::IO, usize::MAX);
                root.lay_out().await.unwrap_err();
            }
            for directory in [folder.clone(), database.clone(), database.join("wal")] {
                let fault = faults::fail(&directory, Call::SyncDirectory, Errno::IO, usize::MAX);
                root.prepare(uid).await.unwrap_err();
                root.sync_tree(&collection(uid)).await.unwrap_err();
                assert!(fault.met() > 0, "{directory:?}");
            }
        }
        let file = collection(uid).join("wal").join("1");
        root.put(&file, Bytes::from_static(b"x")).await.unwrap();
        let fault = faults::fail(&folder, Call::SyncDirectory, Errno::IO, usize::MAX);
        root.delete_all([file.clone()].into_iter()).await.unwrap_err();
        root.delete_durably(&file).await.unwrap_err();
        root.remove_prefix(&collection(uid)).await.unwrap_err();
        drop(fault);
        // Nothing is there any more, and that is not known to last.
        root.delete_all([file.clone()].into_iter()).await.unwrap();
        root.delete_durably(&file).await.unwrap();
        root.remove_prefix(&collection(uid)).await.unwrap();
    }
}
