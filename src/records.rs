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

mod as_stored;
mod at;
mod base;
mod cache;
mod cached;
mod change;
mod check;
mod checksum;
mod commit;
mod compact;
mod dump;
mod entry;
mod faults;
mod follower;
mod frame;
mod group;
mod index;
mod key;
mod keys;
mod kinds;
mod log;
mod merged;
mod raw;
mod secondary;
mod shown;
#[cfg(test)]
mod sizes;
mod start;
mod subscribers;
mod terms;
mod view;

use std::{sync::Arc, time::Duration};

use prost::Message;
use tokio_util::sync::CancellationToken;

use self::commit::Committer;
#[cfg(any(test, feature = "fuzz"))]
pub use self::kinds::fixture;
pub use self::{
    as_stored::AsStored,
    at::At,
    cache::Cache,
    cached::{ApiKeyUse, ClockSeen},
    change::{Change, CommitError, MAX_CHANGE_BYTES, MAX_RECORD_BYTES},
    check::{Report, check},
    checksum::Checksum,
    compact::Policy,
    dump::{dump, dump_entries},
    entry::Tip,
    follower::Follower,
    key::Key,
    kinds::{
        AccessPolicy, ApiKey, BootstrapSecret, Collection, CollectionState, Contents, Expected, Holder, Intent,
        Manifest, RequestId, Restore, RestoreInfo, RestoreState, Retired, RetiredSource, Role, RoleBinding, Scope,
        Snapshot, SnapshotState, Source, SourcePosition, SourceState, Verification, Workspace,
    },
    log::{Found, Log, instance_of, look},
    raw::Version,
    secondary::{Entries, Indexed, Order, Term},
    start::{DIRECTORY, IndexState, Opening, make_anew, open, take_over},
    subscribers::{Subscription, TooOld},
    view::View,
};
pub use crate::stored::{
    Acceptance, BadRecord, Failure, ObjectMark, SealedFrom, SourceCompression, SourceFormat, SourceMark,
};
use crate::{clock::Micros, damage::Damage, error::Error};

/// How often a change is decided anew because others were faster. Each time one of them
/// was, so it takes as many who want the same record at once.
const ATTEMPTS: usize = 1_000;

/// A record of one kind.
pub trait Record: Clone {
    /// What it is stored as.
    type Message: Message + Default;
    /// What the keys of the kind begin with.
    const PREFIX: &'static str;

    /// The key it lives under, unique over all kinds.
    fn key(&self) -> Key<Self>;

    /// Reads the stored form.
    ///
    /// # Errors
    ///
    /// If the message is none that a version has written.
    fn read(message: Self::Message) -> Result<Self, Damage>;

    /// The stored form.
    fn message(&self) -> Self::Message;

    /// The prefix of all records of this kind.
    #[must_use]
    fn all() -> Key<Self> {
        Key::of("")
    }
}

/// A cached value of one kind. Nothing is decided by it.
pub trait Cached: Message + Default {
    /// What the keys of the kind begin with.
    const PREFIX: &'static str;

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
    view: View,
    committer: Arc<Committer>,
    /// When the newest entry that this process found was written.
    found: Option<Micros>,
}

impl std::ops::Deref for Records {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Records {
    /// Makes a change durable (M1, M2).
    pub async fn commit(&self, change: Change) -> Result<(), CommitError> {
        Committer::commit(&self.committer, change).await
    }

    /// Reads, decides and commits, again for as long as what the decision counts on
    /// changes meanwhile, but not for ever ([`Error::Contended`]). `decide` says what is to
    /// be changed, and what the answer is then; it refuses what must not be done.
    pub async fn change<T>(&self, mut decide: impl FnMut() -> Result<(Change, T), Error>) -> Result<T, Error> {
        for _ in 0..ATTEMPTS {
            let decided_at = self.revision();
            let (change, answer) = self.decide(&mut decide)?;
            match self.commit(change).await {
                Ok(()) => return Ok(answer),
                // What it conflicts with can be read now. If there is nothing, then the
                // decision and the comparison differ, and would for ever.
                Err(CommitError::Conflict) if self.revision() == decided_at => {
                    return Err(Error::internal("a change contradicts the records that it was made of"));
                }
                Err(CommitError::Conflict) => {}
                Err(CommitError::Failed(error)) => return Err(error),
            }
        }
        Err(Error::Contended { attempts: ATTEMPTS })
    }

    /// What is decided of the records. A refusal counts only if nothing has changed
    /// meanwhile: of two records that one change has made it may have seen the one as it was
    /// before, and the other.
    pub fn decide<T>(&self, mut decide: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        for _ in 1..ATTEMPTS {
            let decided_at = self.at().revision();
            match decide() {
                Err(_) if self.at().revision() != decided_at => {}
                decided => return decided,
            }
        }
        decide()
    }

    /// Commits a change that somebody else may have overtaken. False if so: nothing was
    /// done, and there may be nothing left to do.
    pub async fn commit_if_unchanged(&self, change: Change) -> Result<bool, Error> {
        match self.commit(change).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Failed(error)) => Err(error),
        }
    }

    /// From now on `each` is told of every change of a record of kind `R`, in the order
    /// of the log, when it can be read and before its caller has the answer: what the
    /// record was and what it is, none where there is none. It must neither wait nor
    /// commit.
    pub fn subscribe<R: Record>(&self, each: impl Fn(Option<&R>, Option<&R>) + Send + Sync + 'static) {
        self.committer.subscribers().add(Subscription::default().to(each));
    }

    /// The same, of what was committed behind a revision as well: first that, now, then
    /// what is from now on. So who has read the records [at](View::at) that revision misses
    /// nothing. Only the newest changes are kept: read again if it is too old.
    pub fn subscribe_from(&self, revision: u64, subscription: Subscription) -> Result<(), TooOld> {
        self.committer.subscribers().add_from(revision, subscription)
    }

    /// What may be lost, and is not in the log.
    #[must_use]
    pub fn cache(&self) -> Cache {
        Cache::new(self.view.index())
    }

    /// The revision that the records are at.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.committer.revision()
    }

    /// Whether nobody else has written behind what we know.
    pub async fn is_newest(&self) -> Result<bool, Error> {
        self.committer.is_newest().await
    }

    /// Whether another process may write the log as well.
    #[must_use]
    pub fn may_have_rivals(&self) -> bool {
        self.committer.may_have_rivals()
    }

    /// Whether nobody else can write behind what this process has found at its start. Until
    /// this is so, nothing may be destroyed that somebody else may be making: to commit
    /// something shows it.
    #[must_use]
    pub fn are_ours(&self) -> bool {
        self.committer.is_ours()
    }

    /// Looks for another server that writes the log, until the service stops, or has to
    /// because there is one: who writes nothing would not notice.
    pub async fn watch_rivals(self, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            match self.committer.look_for_rivals().await {
                Ok(true) => {}
                Ok(false) => return stop.cancelled().await,
                Err(error) => tracing::debug!(%error, "another server is looked for again later"),
            }
        }
    }

    /// When what was found at the start was written last; none if there was nothing.
    #[must_use]
    pub fn found_time(&self) -> Option<Micros> {
        self.found
    }

    /// Over all records as they are now.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.committer.checksum()
    }

    /// Makes durable what the next start is to find in the cache, and leaves as little as
    /// possible of the log for it to read again.
    pub async fn save(&self) -> Result<(), Error> {
        self.view.index().flush().await
    }
}
