//! What follows when a collection has been deleted, or something that holds its files has
//! changed: the retire worker looks what of it can be given back.

use std::sync::Arc;

use super::Inner;
use crate::records::{Restore, Retired, Snapshot};

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&Retired>| {
        if let (Some(inner), Some(now)) = (this.upgrade(), after) {
            inner.ring_for_retired(now.uid);
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&Snapshot>, after: Option<&Snapshot>| {
        // One that is still to be taken, or to let go, lets nobody do anything.
        let is_settled = after.is_none_or(|now| !now.is_pending());
        if let Some(inner) = this.upgrade().filter(|_| is_settled)
            && let Some(snapshot) = before.or(after)
        {
            inner.ring_for_retired(snapshot.collection_uid);
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&Restore>, after: Option<&Restore>| {
        if let (Some(inner), Some(restore)) = (this.upgrade(), before.or(after)) {
            inner.ring_for_retired(restore.source_collection_uid);
        }
    });
}
