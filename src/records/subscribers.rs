//! What follows from a commit, in the order of the log: who subscribes to a kind of
//! records is told of each change of one, when it can be read and before the caller has
//! its answer.
//!
//! The newest changes are kept, so that who has read the records at a revision can
//! subscribe to what came after it, and misses nothing in between.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::{
    Record,
    change::MAX_CHANGE_BYTES,
    raw::{Raw, read},
};
use crate::stored::RecordWrite;

/// Changes that are kept: not more than so many, and not more bytes than of one entry.
const RECENT: usize = 1024;
const RECENT_BYTES: usize = MAX_CHANGE_BYTES;

/// Tells a subscriber: the key, the record before, and after.
type Tell = dyn Fn(&[u8], Option<&Raw>, Option<&[u8]>) + Send + Sync;

/// The changes behind a revision are no longer known: read the records again, and
/// subscribe from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the changes behind revision {from} are no longer kept")]
pub struct TooOld {
    /// Which revision.
    pub from: u64,
}

/// What is to be told to whom.
#[derive(Clone, Default)]
#[must_use]
pub struct Subscription(Vec<(&'static str, Arc<Tell>)>);

impl Subscription {
    /// `each` is told of every change of a record of kind `R`: what it was and what it is,
    /// none where there is none. It must neither wait nor commit, nor subscribe.
    pub fn to<R: Record>(mut self, each: impl Fn(Option<&R>, Option<&R>) + Send + Sync + 'static) -> Self {
        let tell = move |key: &[u8], before: Option<&Raw>, after: Option<&[u8]>| {
            // What was committed can be read: the secondary indexes have read it.
            let before = before.and_then(|raw| read::<R>(key, raw.value()).ok());
            let after = after.and_then(|value| read::<R>(key, value).ok());
            each(before.as_ref(), after.as_ref());
        };
        self.0.push((R::PREFIX, Arc::new(tell)));
        self
    }

    fn tell(&self, entry: &Told) {
        for (RecordWrite { key, value }, before) in entry.writes.iter().zip(&entry.before) {
            for (_, tell) in self.0.iter().filter(|(prefix, _)| key.starts_with(prefix.as_bytes())) {
                tell(key, before.as_ref(), value.as_deref());
            }
        }
    }
}

/// An entry of the log, and the records that it changed as they were.
pub(super) struct Told {
    pub revision: u64,
    pub writes: Vec<RecordWrite>,
    pub before: Vec<Option<Raw>>,
}

impl Told {
    fn bytes(&self) -> usize {
        let after = |write: &RecordWrite| write.key.len() + write.value.as_ref().map_or(0, Vec::len);
        let before = self.before.iter().flatten().map(|raw| raw.value().len());
        self.writes.iter().map(after).sum::<usize>() + before.sum::<usize>()
    }
}

/// Who is told of what is committed.
pub struct Subscribers(Mutex<State>);

struct State {
    /// Each is told of what comes behind a revision.
    subscribed: Vec<(u64, Subscription)>,
    /// The newest changes, without a gap up to `revision`.
    recent: VecDeque<Told>,
    bytes: usize,
    /// What was told last.
    revision: u64,
}

impl Subscribers {
    /// Nobody yet; what comes behind a revision will be told.
    pub fn new(revision: u64) -> Self {
        Self(Mutex::new(State { subscribed: Vec::new(), recent: VecDeque::new(), bytes: 0, revision }))
    }

    /// Tells of what is committed from now on.
    pub fn add(&self, subscription: Subscription) {
        let mut state = self.0.lock();
        let now = state.revision;
        state.subscribed.push((now, subscription));
    }

    /// Tells of what was committed behind a revision, and of what is from now on.
    pub fn add_from(&self, from: u64, subscription: Subscription) -> Result<(), TooOld> {
        let mut state = self.0.lock();
        let oldest = state.recent.front().map_or(state.revision + 1, |entry| entry.revision);
        if from + 1 < oldest {
            return Err(TooOld { from });
        }
        state.recent.iter().filter(|entry| entry.revision > from).for_each(|entry| subscription.tell(entry));
        // An entry can be read a moment before it is told.
        state.subscribed.push((from, subscription));
        Ok(())
    }

    /// Tells of an entry, the next one.
    pub(super) fn tell(&self, entry: Told) {
        let mut state = self.0.lock();
        let behind = state.subscribed.iter().filter(|(from, _)| *from < entry.revision);
        behind.for_each(|(_, subscription)| subscription.tell(&entry));
        state.revision = entry.revision;
        state.bytes += entry.bytes();
        state.recent.push_back(entry);
        while state.recent.len() > RECENT || state.bytes > RECENT_BYTES {
            let Some(oldest) = state.recent.pop_front() else { break };
            state.bytes -= oldest.bytes();
        }
    }
}
