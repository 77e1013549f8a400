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
    records::{ApiKey, ApiKeyUse, Change, Stored},
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
        let Some(now) = self.inner.clock.confirmed() else { return Ok(()) };
        let until = now - micros(KEPT);
        let is_over = |known: &&Arc<Known>| end_of(&known.record).is_some_and(|end| end <= until);
        for known in self.inner.keyring.all().iter().filter(is_over) {
            if let Some(seen) = self.inner.records.get(&ApiKey::at(&known.record.name.0))? {
                // Another one may have its id by now.
                let is_same = seen.uid == known.record.uid;
                let change = if is_same { Change::default().remove(&seen) } else { Change::default() };
                self.inner.records.commit_if_unchanged(change).await?;
            }
        }
        Ok(())
    }

    /// The keys that ended first, at most so many.
    pub(super) fn first_ended(&self, at_most: usize) -> Result<Vec<Stored<ApiKey>>, Error> {
        let now = self.inner.clock.now();
        let keys = self.inner.keyring.all().into_iter();
        let ended = keys.filter_map(|known| Some((end_of(&known.record).filter(|end| *end <= now)?, known)));
        let mut ended: Vec<_> = ended.collect();
        ended.sort_by_key(|(end, _)| *end);
        let mut found = Vec::new();
        for (_, known) in ended.iter().take(at_most) {
            // Another one may have its id by now.
            let seen = self.inner.records.get(&ApiKey::at(&known.record.name.0))?;
            found.extend(seen.filter(|seen| seen.uid == known.record.uid));
        }
        Ok(found)
    }

    /// Stores when keys were used.
    pub fn save_uses(&self) -> Result<(), Error> {
        for known in self.inner.keyring.all() {
            if known.used.swap(false, Ordering::Relaxed) {
                let last_used_time = known.last_used.load(Ordering::Relaxed);
                let used = ApiKeyUse { uid: known.record.uid.into(), last_used_time };
                self.inner.records.cache().put(&used)?;
            }
        }
        Ok(())
    }
}

/// When a key ends, or did: whichever came first.
fn end_of(key: &ApiKey) -> Option<Micros> {
    [key.revoke_time, key.expire_time].into_iter().flatten().min()
}
