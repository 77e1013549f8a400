//! Drives restores: idempotent effect, durable record, announcement. Every
//! step may have been done before: a crash can have come anywhere.

use std::{
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Restores, advance, is_cancellable, work::Work};
use crate::{
    clock::micros,
    documents::{Adopted, Adoption, Transfer},
    ended,
    error::Error,
    records::{
        Change, Collection, CollectionState, Failure, Holder, Record, Restore, RestoreState, SourcePosition, Stored,
        Verification,
    },
    share::Tenant,
    tasks::{Looks, caught},
};

/// How often watchers see a new value.
const TICK: Duration = Duration::from_millis(100);
/// A restore that has met nothing but storage faults for so long fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long an ended restore is kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Restores {
    /// Runs until the service stops.
    pub async fn run(self, sweep_every: Duration, stop: CancellationToken) {
        let mut looks = Looks::new(sweep_every, stop.clone());
        while looks.next(&self.inner.bell).await {
            if let Err(error) = self.visit(&stop).await {
                tracing::warn!(error = error.in_full(), "restores wait for the next sweep");
            }
        }
    }

    async fn visit(&self, stop: &CancellationToken) -> Result<(), Error> {
        for found in self.inner.records.find(&Restore::pending())? {
            self.start(&found, stop);
        }
        let Some(now) = self.inner.clock.confirmed() else { return Ok(()) };
        ended::forget(&self.inner.records, &Restore::released(), now - micros(KEPT)).await
    }

    /// Works on one restore, unless that is being done.
    fn start(&self, found: &Stored<Restore>, stop: &CancellationToken) {
        let id = found.uid;
        let work = {
            let mut busy = self.inner.busy.lock();
            if busy.contains_key(&id) {
                return;
            }
            let work = Arc::new(Work::new(stop.child_token()));
            busy.insert(id, Arc::clone(&work));
            work
        };
        let (restores, found) = (self.clone(), found.record.clone());
        self.inner.tasks.work("restore", async move {
            let turn = Arc::clone(&restores.inner.turns);
            // A cancelled one needs no turn, only its clean-up. Who cancelled it since it was
            // found did not see us busy with it yet.
            let state = match restores.inner.records.get(&found.key()) {
                Ok(Some(now)) => now.state,
                _ => found.state,
            };
            let copies = is_cancellable(state) || state == RestoreState::Publishing;
            let tenant = Tenant::of_workspace(found.name.workspace.as_str());
            let permit = if copies { work.stop.run_until_cancelled(turn.wait(&tenant, 1)).await } else { None };
            let driven = caught(restores.drive(&found, &work)).await;
            drop(permit);
            restores.inner.busy.lock().remove(&id);
            match driven {
                Ok(()) => restores.inner.bell.notify_one(),
                Err(Error::ShuttingDown) => {}
                Err(error) => {
                    tracing::warn!(error = error.in_full(), name = %found.name, "a restore waits for the next sweep");
                }
            }
        });
    }

    /// Takes a restore from state to state until it has ended.
    async fn drive(&self, found: &Restore, work: &Arc<Work>) -> Result<(), Error> {
        tokio::select! {
            result = self.drive_steps(found, work) => result,
            never = self.ticker(found, work) => match never {},
        }
    }

    async fn drive_steps(&self, found: &Restore, work: &Work) -> Result<(), Error> {
        loop {
            let Some(seen) = self.inner.records.get(&found.key())? else { return Ok(()) };
            if seen.state.is_terminal() {
                return self.let_go(&seen).await;
            }
            if self.inner.tasks.stop_token().is_cancelled() {
                return Err(Error::ShuttingDown);
            }
            work.ending.store(0, Ordering::Relaxed);
            let next = match caught(self.step(&seen, work)).await {
                Ok(next) => next,
                // Cancelled by a caller: the record says so.
                Err(Error::ShuttingDown) if self.was_cancelled(&seen)? => continue,
                Err(error) if error.is_transient() && self.may_retry(found.uid) => return Err(error),
                Err(error) => match caught(self.blamed(&seen, error, work)).await {
                    Err(Error::ShuttingDown) if self.was_cancelled(&seen)? => continue,
                    Err(error @ Error::Internal(_)) => failed(&seen, &error)?,
                    blamed => failed(&seen, &blamed?)?,
                },
            };
            self.inner.faulty_since.lock().remove(&found.uid);
            self.commit(&seen, next).await?;
        }
    }

    /// What may pass by itself has some time to do so.
    fn may_retry(&self, id: Uuid) -> bool {
        self.inner.faulty_since.lock().entry(id).or_insert_with(Instant::now).elapsed() < PATIENCE
    }

    fn was_cancelled(&self, seen: &Stored<Restore>) -> Result<bool, Error> {
        let now = self.inner.records.get(&seen.record.key())?;
        Ok(now.is_none_or(|now| now.state != seen.state))
    }

    /// Announces the progress while somebody works.
    async fn ticker(&self, found: &Restore, work: &Work) -> Infallible {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            // Unreadable now is readable at the next tick, or the steps will say.
            let Ok(Some(record)) = self.inner.records.get(&found.key()) else { continue };
            let progress = work.progress(&record);
            if !record.state.is_terminal() && self.inner.hub.latest(&found.uid).as_ref() != Some(&progress) {
                self.inner.hub.publish(found.uid, progress, false);
            }
        }
    }

    /// Does the work of one state and says what comes next.
    async fn step(&self, seen: &Stored<Restore>, work: &Work) -> Result<Next, Error> {
        match seen.state {
            RestoreState::Pending => self.pin(seen).await,
            RestoreState::Copying => self.copy(seen, work).await,
            RestoreState::Verifying => self.verify(seen, work).await,
            RestoreState::Publishing => self.publish(seen, work).await,
            RestoreState::Failing => self.clean_up(seen, work, RestoreState::Failed).await,
            RestoreState::Cancelling => self.clean_up(seen, work, RestoreState::Cancelled).await,
            RestoreState::Succeeded | RestoreState::Failed | RestoreState::Cancelled => {
                Err(Error::internal("a restore in a state without work"))
            }
        }
    }

    /// Settles what is copied. From here on a snapshot of version 0.1.0 may go, since the
    /// restore has a checkpoint of its own; any other stays until the restore has ended.
    async fn pin(&self, seen: &Restore) -> Result<Next, Error> {
        let inner = &self.inner;
        let source = seen.source_collection_uid;
        let files = inner.store.load_files(seen.file_list()).await?;
        let mut next = to(seen, RestoreState::Copying)?;
        if let Holder::Checkpoint(held_by) = seen.manifest.holder {
            let pinned = inner.collections.pin(source, held_by, seen.uid).await;
            match pinned {
                // What the collection itself is by now is damaged. The snapshot is made of
                // other objects, and waits for its restore.
                Err(Error::DataLoss(why)) if seen.totals.retention.is_none() => {
                    tracing::warn!(why, name = %seen.name, "restored by the snapshot's own checkpoint");
                }
                pinned => {
                    let checkpoint = pinned?;
                    next.pinned = true;
                    next.manifest.holder = Holder::Checkpoint(checkpoint.id);
                    next.manifest.id = checkpoint.manifest_id;
                }
            }
        }
        crate::crash_point!(RestorePinned);
        // From the start the restore goes by, whatever the time when it ends.
        let now = inner.clock.now();
        next.start_time = Some(now);
        let files = self.leave_out(&mut next, &files, now).await?;
        next.manifest.file_list_hash = Some(inner.store.save_files(seen.uid, &files).await?.hash);
        next.bytes = files.bytes();
        next.files = files.count();
        Ok(Next::only(next))
    }

    async fn copy(&self, seen: &Restore, work: &Work) -> Result<Next, Error> {
        let inner = &self.inner;
        let target = seen.collection_uid;
        let began = Instant::now();
        let files = inner.store.load_files(seen.file_list()).await?;
        let floor = seen.totals.floor;
        let transfer = Transfer { manifest: seen.manifest(), floor, destination: target, files: &files };
        inner.store.copy(transfer, inner.copy_mode, &work.copied).await?;
        crate::crash_point!(RestoreCopied);
        let mut next = to(seen, RestoreState::Verifying)?;
        next.copy_micros = micros(began.elapsed());
        Ok(Next::only(next))
    }

    async fn verify(&self, seen: &Restore, work: &Work) -> Result<Next, Error> {
        let inner = &self.inner;
        let target = seen.collection_uid;
        let files = inner.store.load_files(seen.file_list()).await?;
        inner.store.check_files(target, &files).await?;
        let prove = seen.verification == Verification::Full;
        let began = Instant::now();
        work.proven.store(0, Ordering::Relaxed);
        let adoption = Adoption {
            uid: target,
            restore: seen.uid,
            totals: seen.totals.clone(),
            prove,
            trimmed: Arc::clone(&work.trimmed),
            proven: Arc::clone(&work.proven),
            stop: work.stop.clone(),
        };
        let Adopted { totals, dropped, positions } = inner.store.adopt(adoption).await?;
        crate::crash_point!(RestoreVerified);
        let mut next = to(seen, RestoreState::Publishing)?;
        next.verify_micros = if prove { micros(began.elapsed()) } else { 0 };
        next.totals = totals;
        next.documents_dropped += dropped.documents;
        next.bytes_dropped += dropped.bytes;
        let known = positions.into_iter().map(|position| SourcePosition::new(target, position));
        Ok(Next { restore: next, with: known.fold(Change::default(), |change, known| change.put(&known)) })
    }

    /// READY and SUCCEEDED in one commit (**R1**).
    async fn publish(&self, seen: &Restore, work: &Work) -> Result<Next, Error> {
        let inner = &self.inner;
        let key = Collection::at(&seen.collection_name());
        let found = inner.records.get(&key)?.ok_or_else(|| Error::internal("the restoring collection vanished"))?;
        let mut ready: Collection = found.record.clone();
        ready.state = CollectionState::Ready;
        ready.update_time = inner.clock.now();
        ready.revision += 1;
        crate::crash_point!(RestorePublished);
        let mut next = to(seen, RestoreState::Succeeded)?;
        self.end(&mut next, work);
        let expected = inner.collections.expected(ready.uid, seen.totals.clone(), seen.bytes).await?;
        Ok(Next { restore: next, with: Change::default().replace(&found, &ready).put(&expected) })
    }

    /// Nothing stays of what was copied; then the name is free (**R5**).
    async fn clean_up(&self, seen: &Restore, work: &Work, end: RestoreState) -> Result<Next, Error> {
        let inner = &self.inner;
        inner.store.remove(seen.collection_uid).await?;
        crate::crash_point!(RestoreRemoved);
        let mut next = to(seen, end)?;
        self.end(&mut next, work);
        let key = Collection::at(&seen.collection_name());
        let mut with = Change::default();
        if let Some(found) = inner.records.get(&key)?
            && found.uid == seen.collection_uid
        {
            with = with.remove(&found);
        }
        Ok(Next { restore: next, with })
    }

    /// It ends now; its watchers see no other time of its end.
    fn end(&self, next: &mut Restore, work: &Work) {
        let now = self.inner.clock.now();
        next.end_time = Some(now);
        work.ending.store(now, Ordering::Relaxed);
    }

    /// Gives back what the restore has on the source.
    async fn let_go(&self, seen: &Stored<Restore>) -> Result<(), Error> {
        let inner = &self.inner;
        if seen.released {
            return Ok(());
        }
        if !seen.manifest.has_copy() {
            inner.collections.unpin(seen.source_collection_uid, seen.uid).await?;
        }
        inner.store.forget_files(seen.uid).await?;
        let mut next = seen.record.clone();
        next.released = true;
        inner.records.commit_if_unchanged(Change::default().replace(seen, &next)).await?;
        inner.faulty_since.lock().remove(&seen.uid);
        Ok(())
    }

    async fn commit(&self, seen: &Stored<Restore>, next: Next) -> Result<(), Error> {
        let Next { restore, with } = next;
        // Cancelled meanwhile, if not: the next look sees it.
        let is_made = self.inner.records.commit_if_unchanged(with.replace(seen, &restore)).await?;
        if is_made && restore.state.is_terminal() {
            tracing::info!(
                name = %restore.name,
                state = super::state_name(restore.state),
                documents = restore.totals.document_count,
                bytes = restore.bytes,
                files = restore.files,
                duration_ms = restore.end_time.map(|end| (end - restore.create_time) / 1000),
                "restore ended"
            );
        }
        Ok(())
    }
}

/// The next record, and what is committed with it.
struct Next {
    restore: Restore,
    with: Change,
}

impl Next {
    fn only(restore: Restore) -> Self {
        Self { restore, with: Change::default() }
    }
}

fn to(seen: &Restore, state: RestoreState) -> Result<Restore, Error> {
    advance(seen, state).ok_or_else(|| Error::internal(format!("no edge from {:?} to {state:?}", seen.state)))
}

fn failed(seen: &Restore, error: &Error) -> Result<Next, Error> {
    tracing::error!(error = error.in_full(), name = %seen.name, "a restore failed; what it copied is removed");
    let mut next = to(seen, RestoreState::Failing)?;
    next.error = Some(Failure::from(error));
    Ok(Next::only(next))
}
