//! Who writes a manifest of a collection without opening it: snapshots, for the checkpoint
//! that holds their files until the record does; and what version 0.1.0 has left, whose
//! snapshots and restores count on checkpoints to the end.

use uuid::Uuid;

use super::Collections;
use crate::{documents::Checkpoint, error::Error, records::Retired};

impl Collections {
    /// A checkpoint of the same files as `source`, under the name of `owner`.
    pub async fn pin(&self, uid: Uuid, source: Uuid, owner: Uuid) -> Result<Checkpoint, Error> {
        self.check_newest_manifest(uid).await?;
        self.inner.store.pin(uid, source, owner).await
    }

    /// Deletes a checkpoint that is there, by one manifest.
    pub async fn delete_checkpoint(&self, uid: Uuid, id: Uuid) -> Result<(), Error> {
        self.check_newest_manifest(uid).await?;
        self.inner.store.delete_checkpoint(uid, id).await
    }

    /// Deletes every checkpoint of this name, if the database still is there.
    pub async fn unpin(&self, uid: Uuid, owner: Uuid) -> Result<(), Error> {
        let unpinned = async {
            self.check_newest_manifest(uid).await?;
            self.inner.store.unpin(uid, owner).await
        };
        match unpinned.await {
            // Nobody opens it again: what goes by then goes by the records alone.
            Err(Error::DataLoss(_)) if self.inner.records.get(&Retired::at(uid))?.is_some() => Ok(()),
            unpinned => unpinned,
        }
    }

    /// Behind an older manifest than the newest nothing may be written: it would take the
    /// place of the one that is missing.
    async fn check_newest_manifest(&self, uid: Uuid) -> Result<(), Error> {
        let (least, _) = self.least(uid)?;
        self.inner.store.root().check_newest_manifest(uid, &least).await
    }
}
