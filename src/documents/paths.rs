//! Where objects are under the storage root, and what their names say.

use std::collections::HashSet;

use slatedb::{VersionedManifest, object_store::path::Path};
use ulid::Ulid;
use uuid::Uuid;

use super::manifest;
use crate::error::Error;

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

/// Where the copy of a snapshot's manifest is.
#[must_use]
pub fn manifest(snapshot: Uuid) -> Path {
    Path::from_iter(["manifests".to_owned(), snapshot.to_string()])
}

/// Where a start tries what a store can do.
#[must_use]
pub fn probes() -> Path {
    Path::from("probe")
}

/// The data logs behind a manifest: normally none behind a checkpoint of all
/// writes.
pub fn log_ids(manifest: &VersionedManifest) -> std::ops::Range<u64> {
    manifest.replay_after_wal_id() + 1..manifest.next_wal_sst_id()
}

/// The name of a data log.
pub fn log_name(id: u64) -> String {
    format!("{id:020}.sst")
}

/// The ids of the files a manifest lists.
pub fn sst_ids(manifest: &VersionedManifest) -> HashSet<Ulid> {
    manifest.all_sst_views().map(|view| view.sst.id.value()).collect()
}

/// Where a file with documents is.
pub fn sst(uid: Uuid, id: Ulid) -> Path {
    collection(uid).join("compacted").join(format!("{id}.sst"))
}

/// The name of a file that holds documents.
pub fn file_id(name: &str) -> Option<Ulid> {
    name.strip_suffix(".sst").and_then(|stem| Ulid::from_string(stem).ok())
}

/// It must be there.
pub fn missing(path: &Path) -> Error {
    Error::DataLoss(format!("{path} is missing"))
}

/// Where a manifest of a database is.
pub fn manifest_path(uid: Uuid, id: u64) -> Path {
    manifest::path(&collection(uid), id)
}

/// Where a data log is.
pub fn log_path(uid: Uuid, id: u64) -> Path {
    collection(uid).join("wal").join(log_name(id))
}
