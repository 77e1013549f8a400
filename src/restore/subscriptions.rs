//! What follows when a restore has changed: watchers see it, one that is cancelled stops
//! working, and the worker looks what there is to do.

use std::sync::Arc;

use super::{Inner, Restores};
use crate::records::{Restore, RestoreState};

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |_, after: Option<&Restore>| {
        let (Some(inner), Some(now)) = (this.upgrade(), after) else { return };
        if now.state == RestoreState::Cancelling
            && let Some(work) = inner.busy.lock().get(&now.uid)
        {
            work.stop.cancel();
        }
        let restores = Restores { inner };
        let is_last = now.state.is_terminal();
        restores.inner.hub.publish(now.uid, restores.progress(now), is_last);
        restores.inner.bell.notify_one();
    });
}
