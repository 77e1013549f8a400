//! Gives back what ended snapshots held, and forgets them in the end.

use super::{Snapshots, TOMBSTONE, advance};
use crate::{
    clock::micros,
    ended,
    error::Error,
    records::{
        Change, Key, MAX_CHANGE_BYTES, MAX_RECORD_BYTES, Record, Restore, Retired, Snapshot, SnapshotState, Stored,
    },
};

/// Snapshots that end by time in one change, which must fit into an entry of the log
/// however large their records are.
const AT_ONCE: usize = MAX_CHANGE_BYTES / (2 * MAX_RECORD_BYTES);

impl Snapshots {
    /// Ends snapshots whose time is over: first the records, then, elsewhere, the data.
    pub(super) async fn expire(&self) -> Result<(), Error> {
        let Some(now) = self.inner.clock.confirmed() else { return Ok(()) };
        loop {
            let over = self.inner.records.find_until(&Snapshot::expiring(), now, AT_ONCE)?;
            let change = over.iter().fold(Change::default(), |change, seen| {
                match advance(&seen.record, SnapshotState::Expired, now) {
                    Some(next) => change.replace(seen, &next),
                    None => change,
                }
            });
            // Somebody was faster with one of them: the next look sees what is left.
            if over.is_empty() || !self.inner.records.commit_if_unchanged(change).await? {
                return Ok(());
            }
        }
    }

    /// Forgets what has been readable long enough after its end.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let Some(now) = self.inner.clock.confirmed() else { return Ok(()) };
        ended::forget(&self.inner.records, &Snapshot::released(), now - micros(TOMBSTONE)).await
    }

    /// Whether an ended snapshot still has its files, and nobody else needs them.
    pub(super) fn may_be_released(&self, key: &Key<Snapshot>) -> Result<bool, Error> {
        let records = &self.inner.records;
        let ended = records.get(key)?.filter(|now| now.state.is_over() && !now.released);
        // A restore needs them until it has made its own checkpoint.
        Ok(ended.is_some_and(|ended| records.count(&Restore::awaiting(ended.uid)) == 0))
    }

    /// Lets go of the files of an ended snapshot. False while somebody else has to act
    /// first.
    pub(super) async fn release(&self, seen: &Stored<Snapshot>) -> Result<bool, Error> {
        let inner = &self.inner;
        if !self.may_be_released(&seen.record.key())? {
            return Ok(false);
        }
        let (uid, collection) = (seen.uid, seen.collection_uid);
        // A snapshot deleted while it is being taken waits for its turn.
        let handle = inner.collections.handle(collection);
        let _turn = handle.cut_turn().await;
        inner.collections.unpin(collection, uid).await?;
        crate::crash_point!(ReleaseUnpinned);
        handle.keep().release(uid);
        inner.store.forget_files(uid).await?;
        inner.store.forget_manifest(uid).await?;
        crate::crash_point!(ReleaseBeforeRecord);
        let mut next = seen.record.clone();
        next.released = true;
        // Deleted after it had failed, say: the next visit sees to it.
        let is_let_go = inner.records.commit_if_unchanged(Change::default().replace(seen, &next)).await?;
        if is_let_go && inner.records.get(&Retired::at(collection))?.is_none() {
            inner.collections.collect_if_closed(collection).await;
        }
        Ok(true)
    }
}
