//! Frozen manifests: what a snapshot stands on.
//!
//! A snapshot has a copy of its manifest, `manifests/<uid>`, and its record has the hash of
//! that. The collection's own manifests know nothing of it: what they cost does not depend
//! on how many snapshots there are. The files are held by [`Keep`](crate::documents::Keep).
//!
//! Snapshots of version 0.1.0 have none. They stand on a checkpoint, which keeps their
//! manifest among those of the collection, until they expire.

use bytes::Bytes;
use slatedb::VersionedManifest;
use uuid::Uuid;

use super::saved::Saved;
use crate::{
    documents::{
        databases::store::Store,
        manifest,
        object_hash::ObjectHash,
        paths::{self, missing},
        root::Root,
    },
    error::Error,
};

/// The manifest of a snapshot, as a record knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenManifest {
    /// The collection whose files it lists.
    pub collection: Uuid,
    /// Its number among the manifests of that.
    pub id: u64,
    /// Where it is.
    pub held: Held,
}

/// What holds a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// This checkpoint, among the manifests of the collection.
    Checkpoint(Uuid),
    /// Nothing needs to: it is a copy.
    Copy {
        /// The snapshot that it is of.
        snapshot: Uuid,
        /// The hash of the object.
        hash: ObjectHash,
    },
}

/// With more checkpoints, what is left of them is more than worth writing a manifest again.
const MANY: u32 = 16;

/// A manifest that was read. It knows no checkpoints.
pub struct Frozen {
    pub(in crate::documents) bytes: Bytes,
    pub(in crate::documents) manifest: VersionedManifest,
}

impl Frozen {
    /// Its number among the manifests of the collection.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.manifest.id()
    }
}

/// Reads the copy of a snapshot's manifest, and holds it against the hash in the record.
pub async fn load_manifest(root: &Root, snapshot: Uuid, hash: ObjectHash) -> Result<Bytes, Error> {
    let path = paths::manifest(snapshot);
    let bytes = root.get(&path).await?.ok_or_else(|| missing(&path))?;
    if ObjectHash::of(&bytes) != hash {
        return Err(Error::DataLoss(format!("{path} is not what was written")));
    }
    Ok(bytes)
}

impl Store {
    /// Reads the manifest of a snapshot.
    pub async fn frozen(&self, manifest: FrozenManifest) -> Result<Frozen, Error> {
        let (bytes, checkpoints) = self.read_frozen(manifest).await?;
        let bytes = if checkpoints > MANY { manifest::written_again(manifest.id, bytes).await? } else { bytes };
        let decoded = manifest::decode(manifest.id, bytes.clone()).await?;
        if !decoded.checkpoints().is_empty() {
            return Err(Error::internal("a frozen manifest has checkpoints"));
        }
        Ok(Frozen { bytes, manifest: decoded })
    }

    /// The bytes of a snapshot's manifest, which knows no checkpoints.
    pub(in crate::documents) async fn frozen_bytes(&self, manifest: FrozenManifest) -> Result<Bytes, Error> {
        self.read_frozen(manifest).await.map(|(bytes, _)| bytes)
    }

    /// The same, and how many checkpoints were taken out of it.
    async fn read_frozen(&self, manifest: FrozenManifest) -> Result<(Bytes, u32), Error> {
        let FrozenManifest { collection, id, held } = manifest;
        match held {
            Held::Copy { snapshot, hash } => Ok((load_manifest(&self.root, snapshot, hash).await?, 0)),
            Held::Checkpoint(_) => {
                let path = manifest::path(&paths::collection(collection), id);
                let bytes = self.root.get(&path).await?.ok_or_else(|| missing(&path))?;
                manifest::without_checkpoints(&bytes).map_err(|error| match error {
                    // One without a seal.
                    Error::DataLoss(why) => Error::DataLoss(format!("{path} cannot be read: {why}")),
                    other => other,
                })
            }
        }
    }

    /// Stores a manifest as the copy of a snapshot.
    pub async fn save_manifest(&self, snapshot: Uuid, frozen: &Frozen) -> Result<Saved, Error> {
        self.save(&paths::manifest(snapshot), frozen.bytes.clone()).await
    }

    /// Deletes the copy of a snapshot, if it has one.
    pub async fn forget_manifest(&self, snapshot: Uuid) -> Result<(), Error> {
        self.root.delete_durably(&paths::manifest(snapshot)).await
    }
}
