//! Drops intervals whose documents have all expired, and so gives their files
//! back, in collections with a retention.

use std::{collections::HashMap, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Collections;
use crate::{
    clock::Micros,
    documents::{Drained, Dropped, Totals},
    error::Error,
    records::Collection,
    tasks::Looks,
};

/// When each closed collection will have something to drop.
type Due = HashMap<Uuid, Micros>;

impl Collections {
    /// Runs until the service stops.
    pub async fn expire(self, sweep_every: Duration, stop: CancellationToken) {
        let mut looks = Looks::new(sweep_every, stop.clone());
        // Only time makes documents expire.
        let never = Notify::new();
        let mut due = Due::new();
        while looks.next(&never).await {
            // A drop that was asked for is made, whether or not anybody waits for it.
            if let Some(Err(error)) = stop.run_until_cancelled(self.expire_all(&mut due)).await {
                tracing::warn!(error = error.in_full(), "expired intervals wait for the next sweep");
            }
        }
    }

    async fn expire_all(&self, due: &mut Due) -> Result<(), Error> {
        let Some(now) = self.inner.clock.confirmed() else { return Ok(()) };
        let before = std::mem::take(due);
        for found in self.inner.records.find(&Collection::with_retention())? {
            match self.expire_one(&found, before.get(&found.uid).copied(), due, now).await {
                Ok(Dropped { documents: 0, .. }) => {}
                Ok(Dropped { documents, bytes }) => {
                    tracing::info!(name = %found.name, documents, bytes, "dropped expired intervals");
                }
                // Deleted meanwhile, or it can be dropped at the next sweep.
                Err(error) => tracing::debug!(error = error.in_full(), name = %found.name, "not dropped"),
            }
        }
        Ok(())
    }

    /// Opens a collection only if it has something to drop, or to give back, as
    /// far as is known; looks at a closed one only once.
    async fn expire_one(
        &self,
        record: &Collection,
        known: Option<Micros>,
        due: &mut Due,
        now: Micros,
    ) -> Result<Dropped, Error> {
        let uid = record.uid;
        self.check_sound(uid)?;
        let is_open = self.is_open(uid);
        let next = match known.filter(|_| !is_open) {
            Some(known) => Some(known),
            None => match self.totals_if_known(uid).await? {
                Some(totals) if is_open || self.is_tidy(uid, &totals).await? => {
                    Some(totals.next_due().unwrap_or(Micros::MAX))
                }
                _ => None,
            },
        };
        if let Some(next) = next
            && next > now
        {
            if !is_open {
                due.insert(uid, next);
            }
            return Ok(Dropped::default());
        }
        self.lease(&record.name).await?.engine().expire().await
    }

    /// Whether a closed collection has given back what was dropped, now at the
    /// latest. A stop may have come before that, and then it has to be opened.
    async fn is_tidy(&self, uid: Uuid, totals: &Totals) -> Result<bool, Error> {
        let drained = self.inner.store.drained(uid, totals.floor).await?;
        if drained == Drained::Kept {
            self.collect_if_closed(uid).await;
        }
        Ok(drained != Drained::Not)
    }
}
