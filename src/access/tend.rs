//! What time does to keys.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{ApiKeys, State, keyring::Known};
use crate::{
    clock::{Micros, micros},
    error::Error,
    records::{ApiKey, ApiKeyUse, Change, CommitError},
};

/// How long a key that has ended is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl ApiKeys {
    /// Ends the calls of keys whose time is over (**A4**), until the service stops.
    pub async fn watch_time(self, every: Duration, stop: CancellationToken) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.end_expired();
        }
    }

    fn end_expired(&self) {
        let now = self.inner.clock.now();
        for known in self.inner.keyring.all() {
            if State::of(&known.record, now) != State::Active {
                known.ended.cancel();
            }
        }
    }

    /// Stores when keys were used, and forgets those that ended long ago.
    pub async fn tend(&self) -> Result<(), Error> {
        self.save_uses()?;
        let _one_at_a_time = self.inner.changing.lock().await;
        for known in self.inner.keyring.all() {
            if end_of(&known.record).is_some_and(|end| end + micros(KEPT) <= self.inner.clock.now()) {
                self.forget(&known).await?;
            }
        }
        Ok(())
    }

    /// Forgets the key that ended first, so that ended ones never keep anybody from
    /// making a new one.
    pub(super) async fn forget_oldest(&self) -> Result<(), Error> {
        let now = self.inner.clock.now();
        let ended = |known: &Arc<Known>| end_of(&known.record).filter(|end| *end <= now);
        let oldest = self.inner.keyring.all().into_iter().filter(|known| ended(known).is_some());
        match oldest.min_by_key(|known| end_of(&known.record)) {
            Some(oldest) => self.forget(&oldest).await,
            None => Ok(()),
        }
    }

    async fn forget(&self, known: &Known) -> Result<(), Error> {
        let (inner, key) = (&self.inner, &known.record);
        if let Some(seen) = inner.records.get(&ApiKey::at(&key.id))? {
            inner.records.commit(Change::default().remove(&seen)).await.map_err(CommitError::unexpected)?;
        }
        inner.keyring.remove(known);
        inner.records.cache().forget(&ApiKeyUse::at(key.uid()))
    }

    /// Stores when keys were used.
    pub fn save_uses(&self) -> Result<(), Error> {
        for known in self.inner.keyring.all() {
            if known.used.swap(false, Ordering::Relaxed) {
                let last_used_time = known.last_used.load(Ordering::Relaxed);
                let used = ApiKeyUse { uid: known.record.uid.clone(), last_used_time };
                self.inner.records.cache().put(&used)?;
            }
        }
        Ok(())
    }
}

/// When a key ends, or did: whichever came first.
fn end_of(key: &ApiKey) -> Option<Micros> {
    [key.revoke_time, key.expire_time].into_iter().filter(|time| *time != 0).min()
}
