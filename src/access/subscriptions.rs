//! What follows when a key has changed: the keyring has it, and those who came in with
//! it as it was are told.

use std::sync::Arc;

use super::Inner;
use crate::records::{AccessPolicy, ApiKey, ApiKeyUse, Subscription, TooOld};

/// Tells of what comes behind a revision.
pub(super) fn subscribe(inner: &Arc<Inner>, from: u64) -> Result<(), TooOld> {
    let this = Arc::downgrade(inner);
    let keys = move |before: Option<&ApiKey>, after: Option<&ApiKey>| {
        let Some(inner) = this.upgrade() else { return };
        if let Some(gone) = before.filter(|before| after.is_none_or(|after| after.uid != before.uid)) {
            inner.keyring.remove(gone);
            if let Err(error) = inner.records.cache().forget(&ApiKeyUse::at(gone.uid)) {
                tracing::debug!(%error, "when a key was last used stays in the cache");
            }
        }
        if let Some(now) = after {
            inner.keyring.put(now.clone(), 0);
        }
    };
    let this = Arc::downgrade(inner);
    let policy = move |before: Option<&AccessPolicy>, after: Option<&AccessPolicy>| {
        if let (Some(inner), None, Some(_)) = (this.upgrade(), before, after) {
            tracing::warn!("there is a first API key: from now on every call needs one");
            inner.keyring.close();
        }
    };
    inner.records.subscribe_from(from, Subscription::default().to(keys).to(policy))
}
