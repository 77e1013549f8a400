//! What follows when a source has changed or gone: watchers see it, and the worker
//! looks what there is to do.

use std::sync::Arc;

use super::{Inner, Sources, state};
use crate::records::{Record, RetiredSource, Source};

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&Source>, after: Option<&Source>| {
        let Some(inner) = this.upgrade() else { return };
        let sources = Sources { inner };
        match (before, after) {
            (_, Some(now)) => {
                sources.announce(now);
                if state::runs(now.state) {
                    sources.inner.due.changed(now.key());
                }
            }
            (Some(gone), None) => sources.ended(gone),
            (None, None) => {}
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&RetiredSource>| {
        if let (Some(inner), Some(now)) = (this.upgrade(), after) {
            inner.due.retired(now.key());
        }
    });
}
