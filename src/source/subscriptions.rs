//! What follows when a source has changed or gone: watchers see it, and the worker
//! looks what there is to do.

use std::sync::Arc;

use super::{Inner, Sources};
use crate::records::Source;

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&Source>, after: Option<&Source>| {
        let Some(inner) = this.upgrade() else { return };
        let sources = Sources { inner };
        match (before, after) {
            (_, Some(now)) => sources.announce(now),
            (Some(gone), None) => sources.ended(gone),
            (None, None) => {}
        }
        sources.inner.bell.notify_one();
    });
}
