//! File lists: which files a snapshot or a restore is made of, each in an object of its
//! own, `files/<uid>`.
//!
//! The record has a hash of the object, so a list that was cut or changed is noticed. It
//! also names what the list was made of: a frozen manifest, and the floor below which a
//! restore leaves files out. So a list that is lost is derived again, and
//! the hash proves that it is the same.

use uuid::Uuid;

use super::{files::Files, frozen::FrozenManifest, saved::Saved};
use crate::{
    documents::{databases::store::Store, keys::Bucket, object_hash::ObjectHash, paths},
    error::Error,
};

/// A file list, as a record knows it.
#[derive(Clone, Copy, Debug)]
pub struct RecordedList {
    /// The snapshot or the restore that the list is of.
    pub owner: Uuid,
    /// The manifest that the files are of.
    pub manifest: FrozenManifest,
    /// Files of buckets below it are left out.
    pub floor: Bucket,
    /// The hash of the object; absent in a record that is older than hashes.
    pub hash: Option<ObjectHash>,
}

impl Store {
    /// Stores a file list.
    pub async fn save_files(&self, owner: Uuid, files: &Files) -> Result<Saved, Error> {
        self.save(&paths::files(owner), files.encode().into()).await
    }

    /// Reads a file list that nobody gives back meanwhile. One that is lost is derived
    /// again.
    pub async fn load_files(&self, listed: RecordedList) -> Result<Files, Error> {
        match Files::load(&self.root, listed.owner, listed.hash).await {
            Err(Error::DataLoss(why)) if listed.hash.is_some() => self.mend(listed, &why).await,
            read => read,
        }
    }

    /// Reads a file list that may be given back meanwhile: then there is none. One that
    /// is lost is derived again.
    pub async fn load_files_while(
        &self,
        listed: RecordedList,
        is_needed: impl Fn() -> Result<bool, Error> + Send,
    ) -> Result<Option<Files>, Error> {
        let read = Files::load(&self.root, listed.owner, listed.hash).await;
        if !is_needed()? {
            return Ok(None);
        }
        let mended = match read {
            Err(Error::DataLoss(why)) if listed.hash.is_some() => self.mend(listed, &why).await,
            read => return read.map(Some),
        };
        if !is_needed()? {
            // Perhaps it was given back first and written then: nobody else would delete it.
            self.forget_files(listed.owner).await?;
            return Ok(None);
        }
        mended.map(Some)
    }

    /// Deletes a file list.
    pub async fn forget_files(&self, owner: Uuid) -> Result<(), Error> {
        self.root.delete_durably(&paths::files(owner)).await
    }

    /// Derives a lost list again, and writes it if it is the same.
    async fn mend(&self, listed: RecordedList, why: &str) -> Result<Files, Error> {
        let RecordedList { owner, manifest: FrozenManifest { collection, id, .. }, hash, .. } = listed;
        let files = match self.derive(listed).await {
            Err(Error::DataLoss(also)) => {
                return Err(Error::DataLoss(format!("{why}, and cannot be derived again: {also}")));
            }
            derived => derived?,
        };
        let bytes = files.encode();
        if hash != Some(ObjectHash::of(&bytes)) {
            let other = format!("the files in manifest {id} of collection {collection} are others");
            return Err(Error::DataLoss(format!("{why}, and cannot be derived again: {other}")));
        }
        let path = paths::files(owner);
        match self.root.put(&path, bytes).await {
            Ok(()) => tracing::warn!(%path, %why, "a lost file list was derived from its manifest again"),
            // What was derived is right all the same; the next to read it tries again.
            Err(error) => tracing::warn!(%error, %path, %why, "a file list that was derived again was not written"),
        }
        Ok(files)
    }

    /// What was in the list, from the manifest that it was made of.
    async fn derive(&self, listed: RecordedList) -> Result<Files, Error> {
        let RecordedList { manifest, floor, .. } = listed;
        let frozen = self.frozen(manifest).await?;
        let files = self.files(manifest.collection, &frozen, &Files::default()).await?;
        Ok(frozen.files_from(floor, &files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::root::Root;

    /// What keeps a list from being read, which names it.
    async fn why(root: &Root, owner: Uuid, hash: Option<ObjectHash>) -> String {
        match Files::load(root, owner, hash).await {
            Err(Error::DataLoss(why)) => {
                assert!(why.starts_with(&format!("files/{owner} ")), "{why}");
                why
            }
            other => panic!("{other:?}"),
        }
    }

    /// A list of so many files, as it is written.
    fn list(count: u8) -> Vec<u8> {
        let file = |n: u8| crate::stored::File { id: vec![n; 16], size_bytes: i64::from(n) };
        prost::Message::encode_to_vec(&crate::stored::FileList { files: (1..=count).map(file).collect() })
    }

    #[tokio::test]
    async fn a_list_that_is_not_what_was_written_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let owner = Uuid::from_u128(7);
        let path = paths::files(owner);
        let (whole, hash) = (list(3), Some(ObjectHash::of(&list(3))));
        assert!(why(&root, owner, hash).await.ends_with("is missing"));

        root.put(&path, whole.clone()).await.unwrap();
        let read = Files::load(&root, owner, hash).await.unwrap();
        assert_eq!((read.count(), read.bytes(), read.encode()), (3, 6, whole.clone()));

        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        // All but the one that is cut can be read as lists.
        for other in [changed, list(2), whole[..whole.len() - 1].to_vec(), Vec::new()] {
            root.put(&path, other).await.unwrap();
            assert!(why(&root, owner, hash).await.ends_with("is not what was written"));
        }
    }

    #[tokio::test]
    async fn without_a_hash_only_what_cannot_be_read_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let owner = Uuid::from_u128(7);
        assert!(why(&root, owner, None).await.ends_with("is missing"));
        root.put(&paths::files(owner), list(2)).await.unwrap();
        assert_eq!(Files::load(&root, owner, None).await.unwrap().count(), 2);
        root.put(&paths::files(owner), vec![0xff]).await.unwrap();
        assert!(why(&root, owner, None).await.contains("cannot be read"));
    }
}
