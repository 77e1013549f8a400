//! What follows when a snapshot has changed, or a restore that holds one: watchers see
//! it, and the worker looks what there is to do.

use std::sync::Arc;

use super::Inner;
use crate::records::{Record, Restore, Snapshot, SnapshotState};

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&Snapshot>| {
        let (Some(inner), Some(now)) = (this.upgrade(), after) else { return };
        let is_settled = now.state != SnapshotState::Requested;
        inner.hub.publish(now.uid, now.clone(), is_settled);
        if now.is_pending() {
            inner.ring_for(now.key());
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&Restore>, after: Option<&Restore>| {
        // It has a checkpoint of its own now, or needs nothing any more.
        let lets_go = after.is_none_or(|now| now.pinned || now.state.is_terminal());
        if let Some(inner) = this.upgrade().filter(|_| lets_go)
            && let Some(restore) = before.or(after)
        {
            inner.ring_for(Snapshot::at(&restore.snapshot, restore.snapshot_uid));
        }
    });
}
