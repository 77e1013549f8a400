//! What follows when a key has changed: the keyring has it, and those who came in with
//! it as it was are told.

use std::sync::Arc;

use super::Inner;
use crate::records::{AccessPolicy, ApiKey, ApiKeyUse};

pub(super) fn subscribe(inner: &Arc<Inner>) {
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&ApiKey>, after: Option<&ApiKey>| {
        let Some(inner) = this.upgrade() else { return };
        if let Some(gone) = before.filter(|before| after.is_none_or(|after| after.uid != before.uid)) {
            inner.keyring.remove(gone);
            if let Err(error) = inner.records.cache().forget(&ApiKeyUse::at(gone.uid())) {
                tracing::debug!(%error, "when a key was last used stays in the cache");
            }
        }
        if let Some(now) = after {
            inner.keyring.put(now.clone(), 0);
        }
    });
    let this = Arc::downgrade(inner);
    inner.records.subscribe(move |before: Option<&AccessPolicy>, after: Option<&AccessPolicy>| {
        if let (Some(inner), None, Some(_)) = (this.upgrade(), before, after) {
            tracing::warn!("there is a first API key: from now on every call needs one");
            inner.keyring.close();
        }
    });
}
