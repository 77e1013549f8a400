//! Which server a storage root belongs to.
//!
//! A uid is written to the metadata and, create-only, to the root at the first
//! start. They must match at every start. Otherwise nothing is touched: a data
//! directory that was lost or mixed up must never lead to deleting a root that
//! it knows nothing of.

use std::{
    fs::{File, TryLockError},
    net::SocketAddr,
    path::Path,
};

use uuid::Uuid;

use crate::{
    access::BootstrapError,
    clock::new_uid,
    documents::{ObjectPath, Root},
    error::Error,
    metadata::{self, Change, CommitError, Instance, Metadata, Workspace},
};

const FORMAT_VERSION: u32 = 1;
const MARKER: &str = "stillframe.json";
const LOCK: &str = "stillframe.lock";

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the data directory.
    #[error("the data directory {0} is in use by another server")]
    Locked(String),
    /// A root that was not made by this server, or lost its marker.
    #[error(
        "the storage root has objects but no {MARKER}: it is not this server's, or the marker was lost. Nothing was changed. Use another --storage, or restore the marker: {{\"uid\":\"{0}\",\"format_version\":{FORMAT_VERSION}}}"
    )]
    NoMarker(Uuid),
    /// The metadata is gone, or of another root.
    #[error(
        "the storage root belongs to instance {root}, the data directory to {data}. Nothing was changed. Start with the data directory of that instance, or with another --storage"
    )]
    Foreign {
        /// The root's instance.
        root: String,
        /// The data directory's instance.
        data: String,
    },
    /// The root's objects are gone.
    #[error(
        "the data directory has records of this storage root, but the root is empty. Nothing was changed. Is it mounted? Is --storage right?"
    )]
    RootEmpty,
    /// Written by a newer server.
    #[error("the storage root has format version {0}; this server knows {FORMAT_VERSION}. Use a newer server")]
    Newer(u32),
    /// The marker cannot be read.
    #[error("{MARKER} in the storage root is damaged. Nothing was changed")]
    Damaged,
    /// The root cannot be used as it is configured.
    #[error(
        "the storage root {storage} cannot be used: {cause:?}. Does the bucket or directory exist? Are endpoint, region and credentials (AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; AWS_ALLOW_HTTP for http) right?"
    )]
    Unusable {
        /// Which root.
        storage: String,
        /// Why.
        cause: Error,
    },
    /// Whoever reaches the port could do everything.
    #[error(
        "this server has no API keys, so whoever reaches {0} may do everything. Give it a first key (--bootstrap-key-file FILE), listen on 127.0.0.1, or, if everybody who can reach it is meant to, say --insecure-allow-everyone"
    )]
    OpenToAll(SocketAddr),
    /// The key of the first operator.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// Certificates or key cannot be used as they are.
    #[error("no TLS with these files: {0}")]
    Tls(String),
    /// Storage failed.
    #[error("storage: {0:?}")]
    Storage(#[from] Error),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Takes the data directory for this process, until the file is dropped.
pub fn lock(data_dir: &Path) -> Result<File, StartError> {
    std::fs::create_dir_all(data_dir)?;
    let file = File::options().create(true).truncate(false).write(true).open(data_dir.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked(data_dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Checks that metadata and root belong together; marks them at the first start.
pub async fn claim(metadata: &Metadata, root: &Root) -> Result<Uuid, StartError> {
    let marker = read_marker(root).await?;
    let recorded = metadata.get(&Instance::all())?.map(|found| metadata::uid(&found.uid));
    match (marker, recorded) {
        (Some(marker), Some(recorded)) if marker == recorded => Ok(recorded),
        (Some(marker), recorded) => Err(StartError::Foreign {
            root: marker.to_string(),
            data: recorded.map_or_else(|| "none (it is new)".to_owned(), |uid| uid.to_string()),
        }),
        (None, recorded) => {
            if !is_empty(root).await? {
                return Err(StartError::NoMarker(recorded.unwrap_or_default()));
            }
            if recorded.is_some() && knows_data(metadata)? {
                return Err(StartError::RootEmpty);
            }
            mark(metadata, root, recorded).await
        }
    }
}

/// The record goes first: a crash in between leaves an empty root and metadata
/// that know nothing, and the next start marks the root.
async fn mark(metadata: &Metadata, root: &Root, recorded: Option<Uuid>) -> Result<Uuid, StartError> {
    let uid = recorded.unwrap_or_else(new_uid);
    if recorded.is_none() {
        let instance = Instance { uid: uid.as_bytes().to_vec(), format_version: FORMAT_VERSION };
        metadata.commit(Change::default().insert(&instance)).await.map_err(CommitError::unexpected)?;
    }
    let text = serde_json::json!({ "uid": uid.to_string(), "format_version": FORMAT_VERSION }).to_string();
    if root.put_new(&ObjectPath::from(MARKER), text.into_bytes()).await? {
        return Ok(uid);
    }
    // Somebody else has marked it since we looked.
    Err(StartError::Foreign { root: "another one".to_owned(), data: uid.to_string() })
}

async fn read_marker(root: &Root) -> Result<Option<Uuid>, StartError> {
    root.get(&ObjectPath::from(MARKER)).await?.map(|bytes| parse_marker(&bytes)).transpose()
}

pub(crate) fn parse_marker(bytes: &[u8]) -> Result<Uuid, StartError> {
    let marker: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| StartError::Damaged)?;
    let version = marker["format_version"].as_u64().and_then(|version| u32::try_from(version).ok());
    match version {
        Some(FORMAT_VERSION) => {}
        Some(newer) => return Err(StartError::Newer(newer)),
        None => return Err(StartError::Damaged),
    }
    let uid = marker["uid"].as_str().and_then(|text| Uuid::parse_str(text).ok());
    uid.ok_or(StartError::Damaged)
}

async fn is_empty(root: &Root) -> Result<bool, Error> {
    Ok(root.list(&ObjectPath::default()).await?.is_empty())
}

/// The first workspace is made, with an object in the root, right behind the
/// marker. So with any of them the root was marked, and not empty.
fn knows_data(metadata: &Metadata) -> Result<bool, Error> {
    Ok(metadata.scan(&Workspace::all()).next().transpose()?.is_some())
}
