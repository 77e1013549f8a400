//! The records: everything that the service knows but the documents.
//!
//! The truth is the *log* under the storage root: one object for each revision,
//! which holds the changes of one group commit (`log.rs`, `entry.rs`), and now and
//! then a *base*, which holds all records at a revision (`base.rs`). Every node
//! keeps an *index* of it in sled, for reading (`index.rs`).
//!
//! **M1** [`Records::commit`] returns only when the change survives power loss:
//! its entry is in the log. **M2** A change is atomic over all its records, and
//! applies only to the versions that it has read
//! ([`Conflict`](CommitError::Conflict) otherwise: read again). **M3** Nobody reads
//! what the log does not hold: an entry is applied to the index when it is durable.
//! **M4** Damage of the log is told with the name of the object, never passed over;
//! damage of the index is mended from the log (`start.rs`). **M5** Two servers
//! never write one log: the second to write a revision stops.
//!
//! sled 0.34 is pinned and stays behind `index.rs` and `cache.rs`.

mod base;
mod cache;
mod change;
mod check;
mod checksum;
mod commit;
mod compact;
mod dump;
mod entry;
mod frame;
mod index;
mod keys;
mod kinds;
mod log;
mod merged;
mod shown;
mod start;

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use prost::Message;

pub use self::{
    cache::{Cache, Cached},
    change::{Change, CommitError, MAX_RECORD_BYTES},
    check::{Report, check},
    checksum::Checksum,
    compact::Policy,
    dump::{dump, dump_entries},
    entry::Tip,
    index::Version,
    keys::Key,
    kinds::*,
    log::{Found, Log, instance_of, look},
    start::{DIRECTORY, IndexState, Opening, make_anew, open, take_over},
};
use self::{
    commit::Committer,
    index::{Index, Raw},
};
use crate::error::Error;

/// A record of one kind.
pub trait Record: Message + Default + Clone {
    /// The key it lives under, unique over all kinds.
    fn key(&self) -> Key<Self>;
}

/// A record and its version: the ticket to replace it.
#[derive(Clone, Debug)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    version: Version,
}

impl<R> std::ops::Deref for Stored<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

/// The records. Clones share them.
#[derive(Clone)]
pub struct Records {
    index: Index,
    committer: Arc<Committer>,
}

impl Records {
    /// Reads one record.
    pub fn get<R: Record>(&self, key: &Key<R>) -> Result<Option<Stored<R>>, Error> {
        self.index.get(key.as_bytes())?.map(|raw| decode(&raw)).transpose()
    }

    /// Reads the records whose keys begin with `prefix`, in the order of keys, as
    /// they are at one revision.
    pub fn scan<R: Record>(&self, prefix: &Key<R>) -> impl Iterator<Item = Result<Stored<R>, Error>> + use<R> {
        let mut found = Vec::new();
        let scanned = self.index.scan(prefix.as_bytes(), |_, raw| {
            found.push(raw);
            Ok(ControlFlow::Continue(()))
        });
        let failed = scanned.err().map(Err);
        found.into_iter().map(|raw| decode(&raw)).chain(failed)
    }

    /// How many records of each kind there are.
    pub fn count(&self) -> Result<BTreeMap<&'static str, usize>, Error> {
        let mut counted = BTreeMap::new();
        self.index.scan(b"", |key, _| {
            *counted.entry(keys::kind_of(key)).or_default() += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(counted)
    }

    /// Makes a change durable (M1, M2).
    pub async fn commit(&self, change: Change) -> Result<(), CommitError> {
        Committer::commit(&self.committer, change).await
    }

    /// What may be lost, and is not in the log.
    #[must_use]
    pub fn cache(&self) -> Cache {
        Cache::new(&self.index)
    }

    /// The revision that the records are at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.committer.revision()
    }

    /// Over all records as they are now.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.committer.checksum()
    }

    /// Leaves as little as possible for the next start to read again.
    pub async fn close(&self) -> Result<(), Error> {
        self.index.flush().await
    }
}

fn decode<R: Record>(raw: &Raw) -> Result<Stored<R>, Error> {
    Ok(Stored { record: R::decode(raw.value())?, version: raw.version() })
}
