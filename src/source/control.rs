//! What callers do with a source that is there: suspend, resume, watch, delete.

use std::time::Duration;

use tokio::sync::watch;

use super::{Sources, View, state};
use crate::{
    error::Error,
    etag::Etag,
    names::SourceName,
    records::{Change, RetiredSource, Source, SourceState},
};

/// How long a suspend waits for what is under way.
const SUSPEND_PATIENCE: Duration = Duration::from_secs(30);

impl Sources {
    /// Disconnects a source; its marks go afterwards.
    pub async fn delete(&self, name: &SourceName, etag: Option<Etag>) -> Result<(), Error> {
        let change = || {
            let seen = self.stored(name)?;
            Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
            let retired = RetiredSource {
                uid: seen.uid,
                collection: seen.name.collection.clone(),
                collection_uid: seen.collection_uid,
            };
            Ok((Change::default().remove(&seen).insert(&retired), ()))
        };
        self.inner.records.change(change).await?;
        tracing::info!(%name, "source deleted");
        Ok(())
    }

    /// Stops a source and waits until what it has read is durable.
    pub async fn suspend(&self, name: &SourceName) -> Result<View, Error> {
        let record = self.change(name, SourceState::Suspended, |next| next.error = None).await?;
        if let Some(ended) = self.inner.lives.stop(record.uid) {
            // What takes longer lands later; the counters will tell.
            let _ = tokio::time::timeout(SUSPEND_PATIENCE, ended.cancelled()).await;
        }
        self.announce(&record);
        self.view(record).await
    }

    /// Lets a source go on.
    pub async fn resume(&self, name: &SourceName) -> Result<View, Error> {
        let record = self.change(name, SourceState::Initializing, |next| next.error = None).await?;
        self.view(record).await
    }

    /// Takes a source to a state, if there is an edge; otherwise it stays.
    async fn change(&self, name: &SourceName, to: SourceState, with: impl Fn(&mut Source)) -> Result<Source, Error> {
        let change = || {
            let seen = self.stored(name)?;
            let Some(mut next) = state::advance(&seen.record, to, self.inner.clock.now()) else {
                return Ok((Change::default(), seen.record));
            };
            with(&mut next);
            Ok((Change::default().replace(&seen, &next), next))
        };
        let changed = self.inner.records.change(change).await?;
        tracing::info!(%name, state = ?to, "source changed");
        Ok(changed)
    }

    /// Watches a source until it is deleted.
    pub async fn watch(&self, name: &SourceName) -> Result<(View, Option<watch::Receiver<View>>), Error> {
        let uid = self.get(name).await?.record.uid;
        self.inner.hub.watch(uid, || {
            let record = self.stored(name)?.record;
            // Deleted, and another one of that name connected, meanwhile.
            if record.uid != uid {
                return Err(Error::NotFound(name.to_string()));
            }
            Ok((self.peek(record), false))
        })
    }

    /// Stops what a deleted source does, and those who watch it.
    pub(super) fn ended(&self, record: &Source) {
        self.inner.lives.stop(record.uid);
        let last = View { deleted: true, ..self.peek(record.clone()) };
        self.inner.hub.publish(record.uid, last, true);
        self.inner.lives.forget(record.uid);
    }
}
