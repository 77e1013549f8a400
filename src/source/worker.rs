//! Keeps a task for each source that is to run. The record says what to do;
//! every visit assumes that a crash came anywhere in the one before.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Sources, live::Task, memory::Memory, state};
use crate::{
    error::{Error, causes},
    records::{Change, Collection, Failure, Key, Record, RetiredSource, Source, SourceState, Stored},
    share::Tenant,
    tasks::{Look, Looks, caught},
};

/// Until a visit that met a fault of the service's own storage is tried again.
const PAUSE: Duration = Duration::from_secs(1);

impl Sources {
    /// Runs until the service stops.
    pub async fn run(self, sweep_every: Duration, stop: CancellationToken) {
        let mut looks = Looks::new(sweep_every, stop.clone());
        // What was taken before a panic is looked at again.
        self.inner.due.again();
        if let Err(error) = self.forget_orphans().await {
            tracing::warn!(error = error.in_full(), "sources of deleted collections stay until the next start");
        }
        while let Some(look) = looks.next_of(&self.inner.due.bell).await {
            if let Err(error) = self.look(look, &stop) {
                self.inner.due.again();
                tracing::warn!(error = error.in_full(), "sources wait for the next sweep");
            }
        }
    }

    fn look(&self, look: Look, stop: &CancellationToken) -> Result<(), Error> {
        let (inner, looked) = (&self.inner, self.inner.due.take(look));
        for key in looked.sources {
            self.look_at(&key, stop)?;
        }
        for key in looked.retired {
            if let Some(found) = inner.records.get(&key)? {
                self.retire(found);
            }
        }
        if look == Look::AtAll {
            // Few, and not for long; each that met a fault is one of them.
            for found in inner.records.scan(&RetiredSource::all()) {
                self.retire(found?);
            }
            inner.lives.keep(|uid| inner.records.count(&Source::of_uid(uid)) > 0);
        }
        if looked.all {
            // One after the other: there may be thousands.
            for key in inner.records.keys(&Source::running()) {
                self.look_at(&key, stop)?;
            }
        }
        Ok(())
    }

    fn look_at(&self, key: &Key<Source>, stop: &CancellationToken) -> Result<(), Error> {
        if let Some(found) = self.inner.records.get(key)?
            && state::runs(found.state)
            && self.collection_of(&found)?.is_some()
        {
            self.start(&found, stop);
        }
        Ok(())
    }

    /// Version 0.1.0 removed the sources of a deleted collection behind it, if it came to
    /// that.
    async fn forget_orphans(&self) -> Result<(), Error> {
        for found in self.inner.records.scan(&Source::all()) {
            let found = found?;
            if self.inner.records.count(&Collection::of_uid(found.collection_uid)) == 0 {
                self.inner.records.commit_if_unchanged(Change::default().remove(&found)).await?;
            }
        }
        Ok(())
    }

    /// Gives a source its task, unless it has one.
    fn start(&self, found: &Source, stop: &CancellationToken) {
        let Some(task) = self.inner.lives.start(found.uid, stop) else { return };
        let (sources, found, stopped) = (self.clone(), found.clone(), task.stop.clone());
        self.inner.tasks.work_on(&self.inner.background, "source", async move {
            let Task { stop, ended } = task;
            // Also if it panics: a suspend may wait.
            let ended = ended.drop_guard();
            let tended = async {
                sources.tend(&found, &stop).await;
                Ok::<_, Error>(())
            };
            // It is begun again by the next look at it, if it is still to run.
            let _ = caught(tended).await;
            sources.inner.lives.ended(found.uid);
            drop(ended);
            sources.inner.due.ended(&found, stopped.is_cancelled());
        });
    }

    /// Visits a source at its interval for as long as it is to run.
    async fn tend(&self, found: &Source, stop: &CancellationToken) {
        let mut memory =
            Memory::new(self.inner.memory.share(&Tenant::of_workspace(found.name.collection.workspace.as_str())));
        while !stop.is_cancelled() {
            let seen = match self.inner.records.get(&found.key()) {
                Ok(Some(seen)) if seen.uid == found.uid && state::runs(seen.state) => seen,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(error = error.in_full(), name = %found.name, "a source could not be looked up");
                    stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                    continue;
                }
            };
            let is_new = seen.state == SourceState::Initializing;
            let worked = async {
                if is_new { self.initialise(&seen).await } else { self.visit(&seen, &mut memory, stop).await }
            };
            let worked = caught(worked).await;
            if is_new && worked.is_ok() {
                continue;
            }
            let Some(pause) = self.settle(&seen, worked, stop).await else { return };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// Notes how a visit ended, and says when the next is due; `None` if it was
    /// the last.
    async fn settle(
        &self,
        seen: &Stored<Source>,
        worked: Result<(), Error>,
        stop: &CancellationToken,
    ) -> Option<Duration> {
        let interval = crate::clock::duration(seen.scan_interval);
        let pause = match &worked {
            Err(error) if error.is_transient() => interval.min(PAUSE),
            _ => interval,
        };
        let behind = worked.as_ref().err().map(causes).unwrap_or_default();
        let error = match worked {
            Ok(()) => None,
            Err(_) if stop.is_cancelled() => return None,
            Err(Error::ShuttingDown | Error::CollectionDeleted(_) | Error::NotFound(_)) => return None,
            Err(error) if is_final(&error) => {
                let failed = self.fail(seen, &error).await;
                return failed.is_err().then_some(PAUSE);
            }
            Err(error) => {
                tracing::debug!(error = error.in_full(), name = %seen.name, "a source is visited again");
                Some(Failure::from(&error))
            }
        };
        if self.inner.lives.met(seen.uid, error.clone())
            && let Some(Failure { message, .. }) = error
        {
            tracing::warn!(name = %seen.name, message, causes = behind, "a source cannot be read; it is tried again");
        }
        self.announce(seen);
        Some(pause)
    }

    /// Stops a source that only a caller can help.
    async fn fail(&self, seen: &Stored<Source>, error: &Error) -> Result<(), Error> {
        let Some(mut next) = state::advance(&seen.record, SourceState::Error, self.inner.clock.now()) else {
            return Ok(());
        };
        next.error = Some(Failure::from(error));
        // Suspended or deleted meanwhile, if not.
        if self.inner.records.commit_if_unchanged(Change::default().replace(seen, &next)).await? {
            tracing::warn!(name = %next.name, %error, "a source stopped");
        }
        Ok(())
    }
}

/// Whether a visit must not be tried again by itself.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::TooManyBadRecords { .. }
            | Error::TooManyObjects { .. }
            | Error::SourceLocationNotAllowed { .. }
            | Error::DataLoss(_)
            | Error::Invalid(_)
    )
}
