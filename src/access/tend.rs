//! What time does to keys.

use std::{sync::atomic::Ordering, time::Duration};

use super::{ApiKeys, State};
use crate::{
    clock::micros,
    error::Error,
    metadata::{ApiKey, ApiKeyUse, Change, CommitError},
};

/// How long a key that has ended is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl ApiKeys {
    /// Ends the calls of keys whose time is over (**A4**).
    pub fn end_expired(&self) {
        let now = self.inner.clock.now();
        for known in self.inner.keyring.all() {
            if State::of(&known.record, now) != State::Active {
                known.ended.cancel();
            }
        }
    }

    /// Stores when keys were used, and forgets those that ended long ago.
    pub async fn tend(&self) -> Result<(), Error> {
        self.save_uses().await?;
        let inner = &self.inner;
        let _one_at_a_time = inner.changing.lock().await;
        for known in inner.keyring.all() {
            let key = &known.record;
            // Whichever came first.
            let ends = [key.revoke_time, key.expire_time].into_iter().filter(|time| *time != 0);
            let Some(end) = ends.min() else { continue };
            if end + micros(KEPT) > inner.clock.now() {
                continue;
            }
            if let Some(seen) = inner.metadata.get(&ApiKey::at(&key.id))? {
                let change = Change::default().remove(&seen).forget(ApiKeyUse::at(key.uid()));
                inner.metadata.commit(change).await.map_err(CommitError::unexpected)?;
            }
            inner.keyring.remove(&known);
        }
        Ok(())
    }

    /// Stores when keys were used.
    pub async fn save_uses(&self) -> Result<(), Error> {
        let mut change = None;
        for known in self.inner.keyring.all() {
            if known.used.swap(false, Ordering::Relaxed) {
                let last_used_time = known.last_used.load(Ordering::Relaxed);
                let used = ApiKeyUse { uid: known.record.uid.clone(), last_used_time };
                change = Some(change.unwrap_or_else(Change::default).put(&used));
            }
        }
        let Some(change) = change else { return Ok(()) };
        self.inner.metadata.commit(change).await.map_err(CommitError::unexpected)
    }
}
