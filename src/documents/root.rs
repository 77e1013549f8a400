//! The storage root: the objects that hold everything but the metadata.
//!
//! Nothing unknown is ever deleted: a prefix is removed only by a caller that
//! holds a durable record naming its uid.

mod links;
#[cfg(feature = "s3")]
mod probe;
#[cfg(feature = "s3")]
pub mod s3;
mod sweep;

use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
/// An object that is being written, of any size: it is there when the writer was
/// shut down, and not before.
pub use slatedb::object_store::buffered::BufWriter as Upload;
use slatedb::object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutPayload, local::LocalFileSystem, path::Path,
};
use uuid::Uuid;

use super::location::Storage;
use crate::{durable, error::Error};

/// The storage root. Clones share it.
#[derive(Clone, Debug)]
pub struct Root {
    store: Arc<dyn ObjectStore>,
    /// Where the objects are files.
    directory: Option<Arc<PathBuf>>,
}

impl Root {
    /// Opens a root, and finds out whether it can be used.
    pub async fn open(storage: &Storage) -> Result<Self, Error> {
        match storage {
            Storage::Directory(directory) => Self::local(directory),
            #[cfg(feature = "s3")]
            Storage::S3(bucket) => {
                let root = Self { store: s3::connect(bucket)?, directory: None };
                probe::probe(&root).await?;
                Ok(root)
            }
            #[cfg(not(feature = "s3"))]
            Storage::S3(_) => Err(Error::internal("this build has no S3")),
        }
    }

    /// Opens a root to look at it: nothing is created, nor tried.
    pub fn open_to_read(storage: &Storage) -> Result<Self, Error> {
        match storage {
            Storage::Directory(directory) => Self::existing(directory),
            #[cfg(feature = "s3")]
            Storage::S3(bucket) => Ok(Self { store: s3::connect(bucket)?, directory: None }),
            #[cfg(not(feature = "s3"))]
            Storage::S3(_) => Err(Error::internal("this build has no S3")),
        }
    }

    /// A local directory, created if need be.
    pub fn local(directory: &FilePath) -> Result<Self, Error> {
        durable::create_dir_all(directory)?;
        Self::existing(directory)
    }

    /// Files and directories are synced: without that, a stopped machine left a
    /// database that never opened again.
    fn existing(directory: &FilePath) -> Result<Self, Error> {
        let directory = directory.canonicalize()?;
        let store = LocalFileSystem::new_with_prefix(&directory)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), directory: Some(Arc::new(directory)) })
    }

    /// The object store below.
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
        let Some(file) = self.file(path) else { return Ok(()) };
        tokio::fs::File::open(&file).await?.sync_all().await?;
        if let Some(directory) = file.parent() {
            tokio::fs::File::open(directory).await?.sync_all().await?;
        }
        Ok(())
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
        match self.file(path).map(|file| durable::sync_parent(&file)) {
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The objects below a prefix, with their sizes.
    pub async fn list(&self, prefix: &Path) -> Result<Vec<(Path, u64)>, Error> {
        Ok(self.store.list(Some(prefix)).map_ok(|found| (found.location, found.size)).try_collect().await?)
    }

    /// The names directly below a prefix.
    pub async fn children(&self, prefix: &Path) -> Result<Vec<String>, Error> {
        let found = self.store.list_with_delimiter(Some(prefix)).await?;
        Ok(found.common_prefixes.iter().filter_map(Path::filename).map(str::to_owned).collect())
    }

    /// Removes everything below a prefix that a durable record names.
    pub async fn remove_prefix(&self, prefix: &Path) -> Result<(), Error> {
        let paths = self.list(prefix).await?;
        self.delete_all(paths.into_iter().map(|(path, _)| path)).await?;
        let Some(directory) = self.file(prefix) else { return Ok(()) };
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        // Before the record that names it goes: power loss must not bring it back
        // when nobody knows it any more.
        match durable::sync_parent(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Deletes these objects, in bulk where the store can.
    pub async fn delete_all(&self, paths: impl Iterator<Item = Path>) -> Result<(), Error> {
        let paths: Vec<_> = paths.map(Ok).collect();
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

/// Where a start tries what a store can do.
#[must_use]
pub fn probes() -> Path {
    Path::from("probe")
}

/// Where the collection's database is.
#[must_use]
pub fn collection(uid: Uuid) -> Path {
    Path::from_iter(["collections".to_owned(), uid.to_string()])
}

/// Where a restore prepares its manifest.
#[must_use]
pub fn staging(uid: Uuid) -> Path {
    Path::from_iter(["staging".to_owned(), uid.to_string()])
}

/// The parent of all collections.
#[must_use]
pub fn collections() -> Path {
    Path::from("collections")
}

/// Where the file list of a snapshot or of a restore is.
#[must_use]
pub fn files(uid: Uuid) -> Path {
    Path::from_iter(["files".to_owned(), uid.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
