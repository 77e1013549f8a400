//! What follows when a collection has been deleted, or something lets go of its files:
//! the retire worker looks what can be given back.

use std::sync::Arc;

use super::Inner;
use crate::records::{Restore, Retired, Snapshot};

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&Retired>| {
        if let (Some(inner), Some(_)) = (this.upgrade(), after) {
            inner.retire_bell.notify_one();
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&Snapshot>| {
        if let Some(inner) = this.upgrade().filter(|_| after.is_none_or(|now| now.released)) {
            inner.retire_bell.notify_one();
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&Restore>| {
        if let Some(inner) = this.upgrade().filter(|_| after.is_none_or(|now| now.released)) {
            inner.retire_bell.notify_one();
        }
    });
}
