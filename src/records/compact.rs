//! Makes bases, so that neither the log nor a start grows without bound.
//!
//! A base is made of the base before it and the entries behind that, not of the
//! index: what is wrong in the one is not copied into the other, and what they add
//! up to is compared with what the log says.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{base::BaseWriter, entry::Tip, index::Index, log::Log, merged::Merged};
use crate::{clock::Clock, error::Error, tasks::Tasks};

/// When a base is made.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Behind so many entries at the latest.
    pub entries: u64,
    /// Behind so many bytes of entries at the latest.
    pub bytes: u64,
}

impl Default for Policy {
    /// A start reads all entries behind the newest base, and a base holds what they
    /// change in memory.
    fn default() -> Self {
        Self { entries: 4096, bytes: 16 << 20 }
    }
}

/// Makes bases behind the back of commits. Clones share what it knows.
#[derive(Clone)]
pub struct Compactor {
    policy: Policy,
    clock: Clock,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The revision of the newest base; 0 for none.
    base: AtomicU64,
    /// Entries and bytes behind it.
    entries: AtomicU64,
    bytes: AtomicU64,
    /// One is being made.
    busy: AtomicBool,
}

impl Compactor {
    /// Knows what a start has found.
    #[must_use]
    pub fn new(policy: Policy, clock: Clock, base: Option<u64>, entries: u64, bytes: u64) -> Self {
        let state =
            State { base: base.unwrap_or(0).into(), entries: entries.into(), bytes: bytes.into(), ..State::default() };
        Self { policy, clock, state: Arc::new(state) }
    }

    /// Counts an entry, and makes a base if it is time.
    pub fn wrote(&self, tasks: &Tasks, log: &Log, index: &Index, tip: Tip, bytes: usize) {
        let state = &self.state;
        let entries = state.entries.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = state.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let is_due = entries >= self.policy.entries || bytes >= self.policy.bytes;
        if !is_due || state.busy.swap(true, Ordering::SeqCst) {
            return;
        }
        let (this, log, index) = (self.clone(), log.clone(), index.clone());
        let runtime = tokio::runtime::Handle::current();
        // It computes for long: not on the threads that answer calls.
        tasks.blocking("record base", move || {
            let busy = Busy(Arc::clone(&this.state));
            match runtime.block_on(this.make(&log, &index, tip, (entries, bytes))) {
                Ok(()) => tracing::debug!(revision = tip.revision, "the record log has a new base"),
                // The log only grows meanwhile.
                Err(error) => {
                    tracing::warn!(error = error.in_full(), "the record log has no new base; it is tried again");
                }
            }
            drop(busy);
        });
    }

    async fn make(&self, log: &Log, index: &Index, tip: Tip, (entries, bytes): (u64, u64)) -> Result<(), Error> {
        let before = self.state.base.load(Ordering::SeqCst);
        // The index must not fall behind the newest base: it would be made anew.
        index.flush().await?;
        compact(log, (before > 0).then_some(before), &tip, self.clock.now()).await?;
        self.state.base.store(tip.revision, Ordering::SeqCst);
        self.state.entries.fetch_sub(entries, Ordering::Relaxed);
        self.state.bytes.fetch_sub(bytes, Ordering::Relaxed);
        // The base before stays, with what is behind it, until the next.
        log.collect(before).await
    }
}

/// A base is being made, until this goes: also by a panic.
struct Busy(Arc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::SeqCst);
    }
}

/// Makes the base of the log at `tip` out of the base before it and the entries in
/// between.
pub async fn compact(log: &Log, before: Option<u64>, tip: &Tip, time: i64) -> Result<(), Error> {
    let mut records = Merged::open(log, before, tip.revision).await?;
    if records.tip() != *tip {
        return Err(Error::internal("the record log is not what was written"));
    }
    let mut out = BaseWriter::begin(log, tip, time).await?;
    while let Some(record) = records.next().await? {
        out.add(record).await?;
    }
    out.finish().await.map(drop)
}
