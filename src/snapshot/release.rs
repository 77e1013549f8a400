//! Gives back what ended snapshots held, and forgets them in the end.

use uuid::Uuid;

use super::{Snapshots, TOMBSTONE, advance};
use crate::{
    clock::micros,
    error::Error,
    records::{Change, CommitError, Restore, Retired, Snapshot, SnapshotState, Stored},
    restore,
};

impl Snapshots {
    /// Ends a snapshot: first the record, then, elsewhere, the data. False if
    /// the record changed meanwhile.
    pub(super) async fn end(&self, seen: &Stored<Snapshot>, to: SnapshotState) -> Result<bool, Error> {
        let Some(next) = advance(&seen.record, to, self.inner.clock.now()) else { return Ok(false) };
        match self.inner.records.commit(Change::default().replace(seen, &next)).await {
            Ok(()) => {
                self.inner.hub.publish(next.uid(), next, true);
                self.inner.bell.notify_one();
                Ok(true)
            }
            Err(CommitError::Conflict) => Ok(false),
            Err(CommitError::Failed(error)) => Err(error),
        }
    }

    /// Whether the tombstone has been readable long enough.
    pub(super) fn is_forgettable(&self, snapshot: &Snapshot) -> bool {
        snapshot.released && snapshot.end_time + micros(TOMBSTONE) <= self.inner.clock.now()
    }

    /// Lets go of the files of an ended snapshot, later of its tombstone. False
    /// while somebody else has to act first.
    pub(super) async fn release(&self, seen: &Stored<Snapshot>) -> Result<bool, Error> {
        let inner = &self.inner;
        if self.is_forgettable(seen) {
            return match inner.records.commit(Change::default().remove(seen)).await {
                // A new snapshot may have taken its place.
                Ok(()) | Err(CommitError::Conflict) => Ok(true),
                Err(CommitError::Failed(error)) => Err(error),
            };
        }
        if self.is_awaited(seen.uid())? {
            // A restore that has not yet made its own checkpoint; it rings.
            return Ok(false);
        }
        let (uid, collection) = (seen.uid(), seen.collection_uid());
        // A snapshot deleted while it is being taken waits for its turn.
        let handle = inner.collections.handle(collection);
        let _turn = handle.cut_turn().await;
        inner.store.unpin(collection, uid).await?;
        handle.keep().release(uid);
        inner.store.forget_files(uid).await?;
        crate::crash_point!("release.before_record");
        let mut next = seen.record.clone();
        next.released = true;
        match inner.records.commit(Change::default().replace(seen, &next)).await {
            Ok(()) => {}
            // Deleted after it had failed, say: the next visit sees to it.
            Err(CommitError::Conflict) => return Ok(true),
            Err(CommitError::Failed(error)) => return Err(error),
        }
        if inner.records.get(&Retired::at(collection))?.is_some() {
            inner.collections.ring_retire();
        } else {
            inner.collections.collect_if_closed(collection).await;
        }
        Ok(true)
    }

    fn is_awaited(&self, uid: Uuid) -> Result<bool, Error> {
        for found in self.inner.records.scan(&Restore::all()) {
            let restore = found?;
            let unpinned = !restore.pinned && !restore::is_terminal(restore.state());
            if unpinned && crate::records::uid(&restore.snapshot_uid) == uid {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks again at what ended: a restore let go.
    pub fn ring(&self) {
        self.inner.bell.notify_one();
    }
}
