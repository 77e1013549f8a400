//! Takes requested snapshots. Every step may have been done before: a crash
//! can have come anywhere.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Snapshots, advance};
use crate::{
    collection::Lease,
    documents::{CutOutcome, Files, Frozen, FrozenManifest, Held, Reusable, UnfinishedCheckpoint},
    error::Error,
    records::{Change, Contents, Failure, Holder, Key, Manifest, Record, Snapshot, SnapshotState, Stored},
    share::Tenant,
    tasks::{Look, Looks, caught},
};

/// The snapshot before, if its data is still there.
struct Previous {
    record: Snapshot,
    files: Files,
}

impl Snapshots {
    /// Runs until the service stops.
    pub async fn run(self, sweep_every: Duration, stop: CancellationToken) {
        let mut looks = Looks::new(sweep_every, stop);
        while let Some(look) = looks.next_of(&self.inner.bell).await {
            if let Err(error) = self.visit(look).await {
                tracing::warn!(error = error.in_full(), "snapshots wait for the next sweep");
            }
        }
    }

    /// What ends by time is asked of its index at each look, which costs what is found.
    async fn visit(&self, look: Look) -> Result<(), Error> {
        self.expire().await?;
        let due = std::mem::take(&mut *self.inner.due.lock());
        match look {
            Look::AtWhatRang => due.into_iter().try_for_each(|key| self.start(key)),
            Look::AtAll => {
                self.inner.records.keys(&Snapshot::pending()).into_iter().try_for_each(|key| self.start(key))?;
                self.forget().await
            }
        }
    }

    /// Works on one snapshot, if there is something to do and that is not being done. Until
    /// it has a turn nothing is kept of it but its names: thousands may wait.
    fn start(&self, key: Key<Snapshot>) -> Result<(), Error> {
        if self.inner.busy.lock().contains(&key) {
            return Ok(());
        }
        let Some(found) = self.inner.records.get(&key)?.filter(|found| found.is_pending()) else { return Ok(()) };
        // By nobody else: there is one worker.
        self.inner.busy.lock().insert(key.clone());
        let name = found.name.clone();
        // Those of one collection take place one after the other in any case.
        let tenant = Tenant::new(found.name.workspace.as_str(), Some(&found.collection_uid.to_string()));
        let snapshots = self.clone();
        self.inner.tasks.work("snapshot", async move {
            let (inner, stop) = (&snapshots.inner, snapshots.inner.tasks.stop_token());
            let turn = stop.run_until_cancelled(inner.turns.wait(&tenant, 1)).await;
            let worked = match &turn {
                Some(_) => Box::pin(caught(snapshots.work(&key))).await,
                None => Ok(false),
            };
            drop(turn);
            inner.busy.lock().remove(&key);
            match worked {
                // What changed meanwhile may need another visit.
                Ok(true) => inner.ring_for(key),
                // A restore that let go of it meanwhile has rung while it was busy.
                Ok(false) if snapshots.may_be_released(&key).unwrap_or(false) => inner.ring_for(key),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = error.in_full(), %name, "a snapshot waits for the next sweep");
                }
            }
        });
        Ok(())
    }

    /// Does what the record asks for now. What the look found may have been done
    /// since: taken again, a CREATED snapshot would lose its checkpoint (**S2**).
    async fn work(&self, key: &Key<Snapshot>) -> Result<bool, Error> {
        let Some(seen) = self.inner.records.get(key)? else { return Ok(false) };
        match seen.state {
            SnapshotState::Requested => match caught(self.take(&seen)).await {
                Err(error @ Error::Internal(_)) => self.fail(&seen, &error).await.map(|()| true),
                taken => taken.map(|()| true),
            },
            SnapshotState::Failed | SnapshotState::Expired | SnapshotState::Deleted => self.release(&seen).await,
            SnapshotState::Created => Ok(false),
        }
    }

    async fn take(&self, seen: &Stored<Snapshot>) -> Result<(), Error> {
        let opened = self.inner.collections.open(&seen.collection_name(), seen.collection_uid).await;
        let lease = match opened {
            Err(error @ Error::DataLoss(_)) => return self.fail(seen, &error).await,
            opened => opened?,
        };
        let _turn = lease.handle().cut_turn().await;
        match self.take_in_turn(seen, &lease).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => self.fail(seen, &error).await,
        }
    }

    async fn take_in_turn(&self, seen: &Stored<Snapshot>, lease: &Lease) -> Result<(), Error> {
        let inner = &self.inner;
        let (uid, collection) = (seen.uid, seen.collection_uid);
        if lease.engine().has_checkpoint(uid) {
            // A cut whose record a crash prevented: it is cut again.
            inner.collections.unpin(collection, uid).await?;
        }
        let previous = self.previous(seen).await?;
        let reuse = self.reusable(seen, lease, previous.as_ref()).await?;
        let (reuse, copy) = reuse.unzip();
        let cut = lease.engine().cut(uid, reuse).await?;
        let checkpoint = cut.checkpoint.as_ref().map(UnfinishedCheckpoint::id);
        let taken = async {
            crate::crash_point!(SnapshotCut);
            let created = self.record(seen, lease, cut, previous, copy).await;
            crate::crash_point!(SnapshotCreated);
            created
        };
        let taken = caught(taken).await;
        if taken.as_ref().is_err_and(Error::is_undecided) {
            // Its record may still appear; the next start knows.
            return taken.map(|_| ());
        }
        let created = match &taken {
            Ok(created) => *created,
            // It may have failed behind its record.
            Err(_) => seen.is_created(&inner.records)?,
        };
        lease.engine().settle_cut(uid, created).await?;
        match checkpoint {
            Some(id) if created => {
                if let Err(error) = inner.collections.delete_checkpoint(collection, id).await {
                    tracing::debug!(%error, name = %seen.name, "its checkpoint stays until the next open");
                }
            }
            // It may have come to nothing.
            Some(_) => inner.collections.unpin(collection, uid).await?,
            None => {}
        }
        taken.map(|_| ())
    }

    /// Makes the cut a CREATED snapshot: checkpoint, manifest and file list, record,
    /// durable in this order. From then on the record holds the files (**S2**). False if
    /// the snapshot was deleted meanwhile.
    async fn record(
        &self,
        seen: &Stored<Snapshot>,
        lease: &Lease,
        cut: CutOutcome,
        previous: Option<Previous>,
        copy: Option<Frozen>,
    ) -> Result<bool, Error> {
        let inner = &self.inner;
        let (uid, collection) = (seen.uid, seen.collection_uid);
        let CutOutcome { totals, incremental_bytes, time, checkpoint } = cut;
        let is_reused = checkpoint.is_none();
        let frozen = match (checkpoint, copy) {
            (Some(handle), _) => {
                let made = inner.store.finish_checkpoint(handle).await?;
                crate::crash_point!(SnapshotPinned);
                let held = Held::Checkpoint(made.id);
                inner.store.frozen(FrozenManifest { collection, id: made.manifest_id, held }).await?
            }
            (None, Some(copy)) => copy,
            (None, None) => return Err(Error::internal("nothing to reuse")),
        };
        let (holder, known) = previous.map(|Previous { record, files }| (record, files)).unzip();
        let known = known.unwrap_or_default();
        let files = inner.store.files(collection, &frozen, &known).await?;
        let before: HashSet<_> = known.ids().collect();
        let (list, copy) =
            tokio::try_join!(inner.store.save_files(uid, &files), inner.store.save_manifest(uid, &frozen))?;

        lease.handle().keep().snapshot(uid, files.ids().collect());
        if let Some(holder) = holder.filter(|_| is_reused)
            && !holder.is_created(&inner.records)?
        {
            // Its files may have gone before they were kept for this one.
            let ended = std::io::Error::other("the snapshot whose files were to be used again has ended");
            return Err(Error::Unavailable(Arc::new(ended)));
        }
        crate::crash_point!(SnapshotBeforeRecord);
        // The caller may have changed or deleted the record since.
        let created = || {
            let seen = self.reread(seen)?;
            let Some(mut next) = advance(&seen.record, SnapshotState::Created, inner.clock.now()) else {
                return Ok((Change::default(), false));
            };
            next.contents = Some(Contents {
                snapshot_time: time,
                totals: totals.clone(),
                incremental_bytes,
                referenced_bytes: files.bytes(),
                new_file_bytes: files.bytes_without(&before),
                file_count: files.count(),
                manifest: Manifest {
                    id: frozen.id(),
                    holder: Holder::Copy(copy.hash),
                    file_list_hash: Some(list.hash),
                },
                own_bytes: list.bytes + copy.bytes,
            });
            Ok((Change::default().replace(&seen, &next), true))
        };
        let is_created = inner.records.change(created).await?;
        if is_created {
            tracing::info!(name = %seen.name, %uid, bytes = incremental_bytes, "snapshot created");
        }
        Ok(is_created)
    }

    /// What the last snapshot holds, with its manifest, if there may be no write since.
    async fn reusable(
        &self,
        seen: &Snapshot,
        lease: &Lease,
        previous: Option<&Previous>,
    ) -> Result<Option<(Reusable, Frozen)>, Error> {
        let Some(Previous { record, .. }) = previous else { return Ok(None) };
        let Some(Contents { totals, .. }) = &record.contents else { return Ok(None) };
        if lease.engine().totals().offset != totals.offset {
            return Ok(None);
        }
        let reusable = Reusable { offset: totals.offset, floor: totals.floor, marks: totals.marks };
        match self.inner.store.frozen(record.manifest()?).await {
            Ok(frozen) => Ok(Some((reusable, frozen))),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                let (name, of) = (&seen.name, &record.name);
                tracing::warn!(%error, %name, %of, "a snapshot is taken although nothing has changed since the last one");
                Ok(None)
            }
        }
    }

    async fn previous(&self, seen: &Snapshot) -> Result<Option<Previous>, Error> {
        let created = Snapshot::created_of(seen.collection_uid);
        let newest =
            self.inner.records.find_last(&created, |other| self.effective(other).state == SnapshotState::Created);
        let Some(Stored { record, .. }) = newest? else { return Ok(None) };
        // Ended since: its files wait for our turn to be over, but its list may
        // be none of ours to use.
        match self.files_of(&record).await {
            Ok(files) => Ok(files.map(|files| Previous { record, files })),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                let (name, of) = (&seen.name, &record.name);
                tracing::warn!(%error, %name, %of, "a snapshot is taken as if there were none before it");
                Ok(None)
            }
        }
    }

    fn reread(&self, seen: &Snapshot) -> Result<Stored<Snapshot>, Error> {
        let found = self.inner.records.get(&seen.key())?;
        found.ok_or_else(|| Error::internal(format!("the record of snapshot {} vanished", seen.uid)))
    }

    async fn fail(&self, seen: &Snapshot, error: &Error) -> Result<(), Error> {
        tracing::error!(error = error.in_full(), name = %seen.name, "a snapshot could not be taken");
        let failed = || {
            let seen = self.reread(seen)?;
            let Some(mut next) = advance(&seen.record, SnapshotState::Failed, self.inner.clock.now()) else {
                return Ok((Change::default(), ()));
            };
            next.error = Some(Failure::from(error));
            Ok((Change::default().replace(&seen, &next), ()))
        };
        self.inner.records.change(failed).await
    }
}
