//! Which server a storage root belongs to.
//!
//! A uid is written to the data directory and, create-only, to the root at the
//! first start. They must match at every start. Otherwise nothing is touched: two
//! directories that were mixed up must never lead to deleting a root that the one
//! knows nothing of. The index in the data directory may be lost or damaged; it is
//! made again from the root's record log.

mod lock;

use std::{net::SocketAddr, path::Path};

use uuid::Uuid;

pub use self::lock::{lock, lock_root};
use crate::{
    access::BootstrapError,
    clock::new_uid,
    documents::{ObjectPath, Root, Unusable, probes},
    durable,
    error::{Error, causes},
    records::{self, IndexState},
};

/// The first version had no record log.
const WITHOUT_LOG: u32 = 1;
/// This one had no seals behind manifests and logs.
const WITHOUT_SEALS: u32 = 2;
/// Records of this one could hold many things of one kind, without a bound that is small.
const UNDIVIDED: u32 = 3;
const FORMAT_VERSION: u32 = 4;
/// In the root, and in the data directory.
const MARKER: &str = "stillframe.json";

/// What a new data directory has for an instance.
const NEW: &str = "none (it is new)";

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the data directory.
    #[error("the data directory {0} is in use by another server")]
    Locked(String),
    /// Another process has the storage root.
    #[error("the storage root {0} is in use by another server")]
    RootLocked(String),
    /// A root that was not made by this server, or lost its marker. The advice is good for
    /// one of the version before, too: the next start makes it that of this version.
    #[error(
        "the storage root has objects but no {MARKER}: it is not this server's, or the marker was lost. Nothing was changed. Use another --storage, or restore the marker: {{\"uid\":\"{0}\",\"format_version\":{WITHOUT_SEALS}}}"
    )]
    NoMarker(Uuid),
    /// The data directory is of another root, or new.
    #[error(
        "the storage root belongs to instance {root}, the data directory to {data}. Nothing was changed. Start with the data directory of that instance, or with another --storage{}", way_in(.data)
    )]
    Foreign {
        /// The root's instance.
        root: String,
        /// The data directory's instance.
        data: String,
    },
    /// The root's objects are gone.
    #[error(
        "the data directory has been used with this storage root, but the root is empty. Nothing was changed. Is it mounted? Is --storage right?"
    )]
    RootEmpty,
    /// The record log is gone, and other things are not.
    #[error(
        "the storage root has no record log (records/), without which nobody knows what is in it. Nothing was changed. Bring its objects back from where they went"
    )]
    NoRecords,
    /// The first version kept its records in the data directory alone.
    #[error(
        "the storage root was written by version 0.1.0, whose records are in the data directory, and they cannot be read: {0}. Nothing was changed. Start with the data directory of that instance"
    )]
    LegacyRecords(String),
    /// Written by a newer server.
    #[error("the storage root has format version {0}; this server knows {FORMAT_VERSION}. Use a newer server")]
    Newer(u32),
    /// The marker cannot be read.
    #[error("{MARKER} in the storage root is damaged. Nothing was changed")]
    Damaged,
    /// The root cannot be used as it is configured.
    #[error("the storage root {storage} cannot be used: {cause}")]
    Unusable {
        /// Which root.
        storage: String,
        /// Why, and what can be done.
        #[source]
        cause: Unusable,
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
    #[error("storage: {}", in_full(.0))]
    Storage(#[from] Error),
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// An error with all that is behind it, for an operator.
fn in_full(error: &Error) -> String {
    match causes(error) {
        causes if causes.is_empty() => error.to_string(),
        causes => format!("{error}: {causes}"),
    }
}

/// A root whose data directory is lost is not lost.
fn way_in(data: &str) -> &'static str {
    if data == NEW {
        ". If that data directory is lost, `stillframe records rebuild` gives the root to this one"
    } else {
        ""
    }
}

/// Whose root it is, and what is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it has a record log, or is new.
    Ready(Uuid),
    /// Its records are those of version 0.1.0, in the index.
    TakeOver(Uuid),
}

/// What is written of an instance, in two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marker {
    uid: Uuid,
    format_version: u32,
}

/// What a data directory knows of its root.
#[derive(Clone, Copy, Debug)]
struct Known {
    uid: Uuid,
    /// It was seen marked: if it is empty now, it is another one.
    marked: bool,
}

/// Checks that data directory and root belong together, by what was found of the record
/// log; marks them at the first start.
pub async fn claim(
    data_dir: &Path,
    root: &Root,
    index: &IndexState,
    log: &records::Found,
) -> Result<Claim, StartError> {
    let known = known(data_dir, index)?;
    let Some(marker) = read_marker(root).await? else {
        if !is_empty(root).await? {
            return Err(no_marker(root, known.map(|known| known.uid), log).await);
        }
        if known.is_some_and(|known| known.marked) {
            return Err(StartError::RootEmpty);
        }
        return mark(data_dir, root, known.map_or_else(new_uid, |known| known.uid)).await.map(Claim::Ready);
    };
    // A root in the data directory is its own, whatever else was lost there.
    let is_own =
        || root.directory().zip(data_dir.canonicalize().ok()).is_some_and(|(root, data)| root.starts_with(data));
    if known.map_or_else(|| !is_own(), |known| known.uid != marker.uid) {
        let data = known.map_or_else(|| NEW.to_owned(), |known| known.uid.to_string());
        return Err(StartError::Foreign { root: marker.uid.to_string(), data });
    }
    if let IndexState::Legacy(_, theirs) = index
        && *theirs != marker.uid
    {
        // The only place of another instance's records.
        return Err(StartError::Foreign { root: marker.uid.to_string(), data: theirs.to_string() });
    }
    if !log.is_empty() {
        remember(data_dir, marker.uid)?;
        return Ok(Claim::Ready(marker.uid));
    }
    match index {
        IndexState::Legacy(..) => Ok(Claim::TakeOver(marker.uid)),
        IndexState::Unusable(why) if marker.format_version == WITHOUT_LOG => {
            Err(StartError::LegacyRecords(why.clone()))
        }
        _ if marker.format_version == WITHOUT_LOG => Err(StartError::LegacyRecords("they are missing".to_owned())),
        IndexState::At(_, _, revision) if *revision > 0 => Err(StartError::NoRecords),
        // Marked, and then stopped, before the first record; or all were lost. The
        // marker is the one object then.
        _ if holds_only_its_marker(root).await? => {
            remember(data_dir, marker.uid)?;
            Ok(Claim::Ready(marker.uid))
        }
        _ => Err(StartError::NoRecords),
    }
}

/// Says that a root has a record log from now on. Version 0.1.0 would not see it.
pub async fn upgrade(data_dir: &Path, root: &Root, uid: Uuid) -> Result<(), StartError> {
    root.put(&ObjectPath::from(MARKER), text_of(uid, WITHOUT_SEALS).into_bytes()).await?;
    remember(data_dir, uid)
}

/// What is to be done with a root of an older version, before it is one of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    /// Its databases may have objects without seals that no record tells of.
    pub is_unsealed: bool,
    /// Its records may hold what has records of its own now.
    pub is_undivided: bool,
}

/// What is to be done with a root, if it is of an older version.
pub async fn older(root: &Root) -> Result<Option<Older>, StartError> {
    let version = read_marker(root).await?.map_or(FORMAT_VERSION, |marker| marker.format_version);
    let older = Older { is_unsealed: version <= WITHOUT_SEALS, is_undivided: version <= UNDIVIDED };
    Ok(older.is_undivided.then_some(older))
}

/// Says that a root is of this version from now on: older ones would take seals for
/// damage, and find nothing where it no longer is.
pub async fn renew(root: &Root, uid: Uuid) -> Result<(), StartError> {
    Ok(root.put(&ObjectPath::from(MARKER), text(uid).into_bytes()).await?)
}

/// The instance of a root with a record log, for commands of an operator: the data
/// directory must not be another one's, and may be new. Changes nothing.
pub async fn of_root(data_dir: &Path, root: &Root, index: &IndexState) -> Result<Uuid, StartError> {
    let known = known(data_dir, index)?.map(|known| known.uid);
    let log = records::look(root).await?;
    let Some(Marker { uid, .. }) = read_marker(root).await? else {
        return Err(no_marker(root, known, &log).await);
    };
    match known {
        Some(known) if known != uid => Err(StartError::Foreign { root: uid.to_string(), data: known.to_string() }),
        _ if log.is_empty() => Err(StartError::NoRecords),
        _ => Ok(uid),
    }
}

/// The instance that a record log says it is of, or else the marker beside it: for those
/// who only read it.
pub async fn of_log(root: &Root) -> Result<Uuid, StartError> {
    let log = records::look(root).await?;
    if log.is_empty() {
        return Err(StartError::NoRecords);
    }
    if let Some(uid) = records::instance_of(root, &log).await {
        return Ok(uid);
    }
    read_marker(root).await?.map(|marker| marker.uid).ok_or(StartError::NoMarker(Uuid::nil()))
}

/// The refusal of a root without a marker, with what belongs there, if anything knows it.
async fn no_marker(root: &Root, known: Option<Uuid>, log: &records::Found) -> StartError {
    let uid = if known.is_some() { known } else { records::instance_of(root, log).await };
    StartError::NoMarker(uid.unwrap_or_default())
}

fn known(data_dir: &Path, index: &IndexState) -> Result<Option<Known>, StartError> {
    let written = match std::fs::read(data_dir.join(MARKER)) {
        Ok(bytes) => parse(&bytes).map(|(marker, marked)| Known { uid: marker.uid, marked }).ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let indexed = index.instance().map(|uid| Known { uid, marked: true });
    Ok(written.or(indexed))
}

/// The data directory goes first, without saying that the root is marked: a crash in
/// between leaves an empty root, which the next start marks.
async fn mark(data_dir: &Path, root: &Root, uid: Uuid) -> Result<Uuid, StartError> {
    let unmarked =
        serde_json::json!({ "uid": uid.to_string(), "format_version": FORMAT_VERSION, "root_marked": false });
    durable::write(&data_dir.join(MARKER), unmarked.to_string().as_bytes())?;
    if root.put_new(&ObjectPath::from(MARKER), text(uid).into_bytes()).await? {
        remember(data_dir, uid)?;
        return Ok(uid);
    }
    match read_marker(root).await? {
        // It was us: the answer to an earlier attempt was lost.
        Some(marker) if marker.uid == uid => remember(data_dir, uid).map(|()| uid),
        // Somebody else has marked it since we looked.
        marker => {
            let root = marker.map_or_else(|| "another one".to_owned(), |marker| marker.uid.to_string());
            Err(StartError::Foreign { root, data: uid.to_string() })
        }
    }
}

/// Says in the data directory whose it is.
pub fn remember(data_dir: &Path, uid: Uuid) -> Result<(), StartError> {
    let (file, text) = (data_dir.join(MARKER), text(uid));
    if std::fs::read(&file).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    Ok(durable::write(&file, text.as_bytes())?)
}

fn text(uid: Uuid) -> String {
    text_of(uid, FORMAT_VERSION)
}

fn text_of(uid: Uuid, format_version: u32) -> String {
    serde_json::json!({ "uid": uid.to_string(), "format_version": format_version }).to_string()
}

async fn read_marker(root: &Root) -> Result<Option<Marker>, StartError> {
    let found = root.get(&ObjectPath::from(MARKER)).await?;
    found.map(|bytes| Ok(parse(&bytes)?.0)).transpose()
}

/// Reads a marker, and whether it says that the root is marked.
fn parse(bytes: &[u8]) -> Result<(Marker, bool), StartError> {
    let marker: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| StartError::Damaged)?;
    let version = marker["format_version"].as_u64().and_then(|version| u32::try_from(version).ok());
    let format_version = match version {
        Some(known @ (WITHOUT_LOG | WITHOUT_SEALS | UNDIVIDED | FORMAT_VERSION)) => known,
        Some(newer) => return Err(StartError::Newer(newer)),
        None => return Err(StartError::Damaged),
    };
    let uid = marker["uid"].as_str().and_then(|text| Uuid::parse_str(text).ok());
    let marked = marker["root_marked"].as_bool().unwrap_or(true);
    Ok((Marker { uid: uid.ok_or(StartError::Damaged)?, format_version }, marked))
}

/// A marker of any bytes, for the fuzz targets.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn parse_marker(bytes: &[u8]) -> Result<Uuid, StartError> {
    parse(bytes).map(|(marker, _)| marker.uid)
}

async fn is_empty(root: &Root) -> Result<bool, Error> {
    Ok(contents(root).await?.is_empty())
}

async fn holds_only_its_marker(root: &Root) -> Result<bool, Error> {
    Ok(contents(root).await? == [ObjectPath::from(MARKER)])
}

/// What a root holds, but for what a start that was killed has tried it with.
async fn contents(root: &Root) -> Result<Vec<ObjectPath>, Error> {
    let all = root.list(&ObjectPath::default()).await?.into_iter().map(|(path, _)| path);
    Ok(all.filter(|path| !path.prefix_matches(&probes())).collect())
}
