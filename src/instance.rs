//! Which server a storage root belongs to.
//!
//! A uid is written to the data directory and, create-only, to the root at the
//! first start. They must match at every start. Otherwise nothing is touched: two
//! directories that were mixed up must never lead to deleting a root that the one
//! knows nothing of. The index in the data directory may be lost or damaged; it is
//! made again from the root's record log.

mod fresh;
mod lock;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::json;
use uuid::Uuid;

pub use self::{
    fresh::Fresh,
    lock::{lock, lock_root},
};
use crate::{
    access::BootstrapError,
    clock::new_uid,
    documents::{ObjectPath, Root, Unusable, probes},
    durable,
    error::Error,
    records::{self, IndexState},
    source::access::IMPORT,
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
    #[error("the data directory {0} (--data-dir) is in use by another server")]
    Locked(String),
    /// Another process has the storage root.
    #[error("the storage root {0} (--storage) is in use by another server")]
    RootLocked(String),
    /// A root that was not made by this server, or lost its marker. The advice is good for
    /// one of the version before, too: the next start makes it that of this version.
    #[error(
        "the storage root {root} has objects but no {MARKER}: it is not this server's, or the marker was lost. Nothing was changed. Use another --storage, or restore the marker: {{\"uid\":\"{uid}\",\"format_version\":{WITHOUT_SEALS}}}"
    )]
    NoMarker {
        /// The root.
        root: String,
        /// Whose it may be.
        uid: Uuid,
    },
    /// The data directory is of another root, or new.
    #[error(
        "the storage root {root} belongs to instance {theirs}, the data directory {data_dir} to {ours}. Nothing was changed. Start with the data directory of that instance, or with another --storage{}", way_in(.ours)
    )]
    Foreign {
        /// The root.
        root: String,
        /// The root's instance.
        theirs: String,
        /// The data directory.
        data_dir: String,
        /// The data directory's instance.
        ours: String,
    },
    /// The root's objects are gone.
    #[error(
        "the data directory {data_dir} has records of a storage root, but {root} is empty{}. Nothing was changed. Is it mounted? Is --storage right?", before(.expected.as_deref(), .root)
    )]
    RootEmpty {
        /// The data directory.
        data_dir: String,
        /// The root that was looked at.
        root: String,
        /// Where the root was at the last start, if that was written down.
        expected: Option<String>,
    },
    /// The record log is gone, and other things are not.
    #[error(
        "the storage root {0} has no record log (records/), without which nobody knows what is in it. Nothing was changed. Bring its objects back from where they went"
    )]
    NoRecords(String),
    /// The first version kept its records in the data directory alone.
    #[error(
        "the storage root {root} was written by version 0.1.0, whose records are in the data directory, and they cannot be read: {why}. Nothing was changed. Start with the data directory of that instance"
    )]
    LegacyRecords {
        /// The root.
        root: String,
        /// What is the matter with them.
        why: String,
    },
    /// Written by a newer server.
    #[error(
        "the storage root {root} has format version {version}; this server knows {FORMAT_VERSION}. Use a newer server"
    )]
    Newer {
        /// The root.
        root: String,
        /// Its version.
        version: u32,
    },
    /// The marker cannot be read.
    #[error("{MARKER} in the storage root {0} is damaged. Nothing was changed")]
    Damaged(String),
    /// The root cannot be used as it is configured.
    #[error("the storage root {storage} (--storage) cannot be used: {cause}")]
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
    #[error("no TLS with these files (--tls-cert, --tls-key, --tls-client-ca): {0}")]
    Tls(String),
    /// Storage failed.
    #[error("storage: {}", .0.in_full())]
    Storage(#[from] Error),
    /// The data directory cannot be made, or not be written to.
    #[error("the data directory {} (--data-dir) cannot be used: {cause}", .path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file or a directory cannot be read or written.
    #[error("{}: {cause}", .path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The system gives no threads, say.
    #[error("{what}: {cause}")]
    System {
        /// What cannot be done.
        what: &'static str,
        /// Why.
        cause: std::io::Error,
    },
}

/// Where a root was that is not there any more.
fn before(expected: Option<&str>, root: &str) -> String {
    match expected {
        Some(expected) if expected != root => format!("; at the last start it was {expected}"),
        _ => String::new(),
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
#[derive(Clone, Debug)]
struct Known {
    uid: Uuid,
    /// It was seen marked: if it is empty now, it is another one.
    marked: bool,
    /// Where it was at the last start.
    storage: Option<String>,
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
    let foreign = |theirs: Uuid, ours: String| foreign(data_dir, root, theirs.to_string(), ours);
    let name = || root.name().to_owned();
    let Some(marker) = read_marker(root).await? else {
        if !is_empty(root).await? {
            return Err(no_marker(root, known.map(|known| known.uid), log).await);
        }
        if let Some(Known { marked: true, storage, .. }) = known {
            let (data_dir, root) = (data_dir.display().to_string(), root.name().to_owned());
            return Err(StartError::RootEmpty { data_dir, root, expected: storage });
        }
        return mark(data_dir, root, known.map_or_else(new_uid, |known| known.uid)).await.map(Claim::Ready);
    };
    // A root in the data directory is its own, whatever else was lost there.
    let is_own =
        || root.directory().zip(data_dir.canonicalize().ok()).is_some_and(|(root, data)| root.starts_with(data));
    let known = known.map(|known| known.uid);
    if known.map_or_else(|| !is_own(), |known| known != marker.uid) {
        return Err(foreign(marker.uid, known.map_or_else(|| NEW.to_owned(), |known| known.to_string())));
    }
    if let IndexState::Legacy(_, theirs) = index
        && *theirs != marker.uid
    {
        // The only place of another instance's records.
        return Err(foreign(marker.uid, theirs.to_string()));
    }
    if !log.is_empty() {
        remember(data_dir, root, marker.uid)?;
        return Ok(Claim::Ready(marker.uid));
    }
    match index {
        IndexState::Legacy(..) => Ok(Claim::TakeOver(marker.uid)),
        IndexState::Unusable(why) if marker.format_version == WITHOUT_LOG => {
            Err(StartError::LegacyRecords { root: name(), why: why.clone() })
        }
        _ if marker.format_version == WITHOUT_LOG => {
            Err(StartError::LegacyRecords { root: name(), why: "they are missing".to_owned() })
        }
        IndexState::At(_, _, revision) if *revision > 0 => Err(StartError::NoRecords(name())),
        // Marked, and then stopped, before the first record; or all were lost. The
        // marker is the one object then.
        _ if holds_only_its_marker(root).await? => {
            remember(data_dir, root, marker.uid)?;
            Ok(Claim::Ready(marker.uid))
        }
        _ => Err(StartError::NoRecords(name())),
    }
}

fn foreign(data_dir: &Path, root: &Root, theirs: String, ours: String) -> StartError {
    StartError::Foreign { root: root.name().to_owned(), theirs, data_dir: data_dir.display().to_string(), ours }
}

/// Says that a root has a record log from now on. Version 0.1.0 would not see it.
pub async fn upgrade(data_dir: &Path, root: &Root, uid: Uuid) -> Result<(), StartError> {
    root.put(&ObjectPath::from(MARKER), text_of(uid, WITHOUT_SEALS).into_bytes()).await?;
    remember(data_dir, root, uid)
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
        Some(known) if known != uid => Err(foreign(data_dir, root, uid.to_string(), known.to_string())),
        _ if log.is_empty() => Err(StartError::NoRecords(root.name().to_owned())),
        _ => Ok(uid),
    }
}

/// The instance that a record log says it is of, or else the marker beside it: for those
/// who only read it.
pub async fn of_log(root: &Root) -> Result<Uuid, StartError> {
    let log = records::look(root).await?;
    if log.is_empty() {
        return Err(StartError::NoRecords(root.name().to_owned()));
    }
    if let Some(uid) = records::instance_of(root, &log).await {
        return Ok(uid);
    }
    let marker = read_marker(root).await?;
    marker
        .map(|marker| marker.uid)
        .ok_or_else(|| StartError::NoMarker { root: root.name().to_owned(), uid: Uuid::nil() })
}

/// The refusal of a root without a marker, with what belongs there, if anything knows it.
async fn no_marker(root: &Root, known: Option<Uuid>, log: &records::Found) -> StartError {
    let uid = if known.is_some() { known } else { records::instance_of(root, log).await };
    StartError::NoMarker { root: root.name().to_owned(), uid: uid.unwrap_or_default() }
}

fn known(data_dir: &Path, index: &IndexState) -> Result<Option<Known>, StartError> {
    let file = data_dir.join(MARKER);
    let written = match std::fs::read(&file) {
        Ok(bytes) => {
            let known =
                |(marker, marked): (Marker, bool)| Known { uid: marker.uid, marked, storage: storage_in(&bytes) };
            parse(&bytes).map(known).ok()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(cause) => return Err(StartError::Path { path: file, cause }),
    };
    let indexed = index.instance().map(|uid| Known { uid, marked: true, storage: None });
    Ok(written.or(indexed))
}

/// Whether a data directory is known, without opening anything, to have no keys: it is new,
/// or of a version that had none.
#[must_use]
pub fn has_no_keys(data_dir: &Path) -> bool {
    match std::fs::read(data_dir.join(MARKER)) {
        Ok(bytes) => parse(&bytes).is_ok_and(|(marker, _)| marker.format_version == WITHOUT_LOG),
        Err(_) => is_unused(data_dir),
    }
}

/// Whether there is nothing of a server in a directory, or no directory.
fn is_unused(data_dir: &Path) -> bool {
    let is_anybodys = |name: &std::ffi::OsStr| name == IMPORT || name == lock::LOCK;
    match std::fs::read_dir(data_dir) {
        Ok(mut entries) => entries.all(|entry| entry.is_ok_and(|entry| is_anybodys(&entry.file_name()))),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The data directory goes first, without saying that the root is marked: a crash in
/// between leaves an empty root, which the next start marks.
async fn mark(data_dir: &Path, root: &Root, uid: Uuid) -> Result<Uuid, StartError> {
    let unmarked = json!({ "uid": uid.to_string(), "format_version": FORMAT_VERSION, "root_marked": false });
    write(&data_dir.join(MARKER), &unmarked.to_string())?;
    if root.put_new(&ObjectPath::from(MARKER), text(uid).into_bytes()).await? {
        remember(data_dir, root, uid)?;
        return Ok(uid);
    }
    match read_marker(root).await? {
        // It was us: the answer to an earlier attempt was lost.
        Some(marker) if marker.uid == uid => remember(data_dir, root, uid).map(|()| uid),
        // Somebody else has marked it since we looked.
        marker => {
            let theirs = marker.map_or_else(|| "another one".to_owned(), |marker| marker.uid.to_string());
            Err(foreign(data_dir, root, theirs, uid.to_string()))
        }
    }
}

/// Says in the data directory whose it is, and where its root is: who looks for that
/// later may need to be told.
pub fn remember(data_dir: &Path, root: &Root, uid: Uuid) -> Result<(), StartError> {
    let file = data_dir.join(MARKER);
    let marker =
        json!({ "uid": uid.to_string(), "format_version": FORMAT_VERSION, "storage": root.name() }).to_string();
    if std::fs::read(&file).is_ok_and(|found| found == marker.as_bytes()) {
        return Ok(());
    }
    write(&file, &marker)
}

fn write(file: &Path, text: &str) -> Result<(), StartError> {
    durable::write(file, text.as_bytes()).map_err(|cause| StartError::Path { path: file.to_owned(), cause })
}

fn text(uid: Uuid) -> String {
    text_of(uid, FORMAT_VERSION)
}

fn text_of(uid: Uuid, format_version: u32) -> String {
    json!({ "uid": uid.to_string(), "format_version": format_version }).to_string()
}

async fn read_marker(root: &Root) -> Result<Option<Marker>, StartError> {
    let found = root.get(&ObjectPath::from(MARKER)).await?;
    found.map(|bytes| Ok(parse(&bytes).map_err(|fault| fault.of(root))?.0)).transpose()
}

/// What is the matter with a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Damaged,
    Newer(u32),
}

impl Fault {
    fn of(self, root: &Root) -> StartError {
        let root = root.name().to_owned();
        match self {
            Self::Damaged => StartError::Damaged(root),
            Self::Newer(version) => StartError::Newer { root, version },
        }
    }
}

/// Reads a marker, and whether it says that the root is marked.
fn parse(bytes: &[u8]) -> Result<(Marker, bool), Fault> {
    let marker: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| Fault::Damaged)?;
    let version = marker["format_version"].as_u64().and_then(|version| u32::try_from(version).ok());
    let format_version = match version {
        Some(known @ (WITHOUT_LOG | WITHOUT_SEALS | UNDIVIDED | FORMAT_VERSION)) => known,
        Some(newer) => return Err(Fault::Newer(newer)),
        None => return Err(Fault::Damaged),
    };
    let uid = marker["uid"].as_str().and_then(|text| Uuid::parse_str(text).ok());
    let marked = marker["root_marked"].as_bool().unwrap_or(true);
    Ok((Marker { uid: uid.ok_or(Fault::Damaged)?, format_version }, marked))
}

/// Where a marker of a data directory says that its root is.
fn storage_in(bytes: &[u8]) -> Option<String> {
    let marker: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    Some(marker.get("storage")?.as_str()?.to_owned())
}

/// A marker of any bytes, for the fuzz targets.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn parse_marker(bytes: &[u8]) -> Option<Uuid> {
    parse(bytes).ok().map(|(marker, _)| marker.uid)
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
