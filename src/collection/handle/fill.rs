//! Finds out what garbage collection must leave alone: what the records say that snapshots
//! and restores need.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::Handle;
use crate::{collection::Collections, documents::IsAlone, error::Error, records::Snapshot};

/// File lists that are read at once.
const LISTS_AT_ONCE: usize = 16;
/// How long after an attempt to find out what an open collection must keep another is made.
const AGAIN: Duration = Duration::from_secs(60);

impl Collections {
    /// Asks whether the records are all that there are. Nobody else can write to a
    /// directory, whose lock is ours.
    pub(super) fn is_alone(&self) -> IsAlone {
        let (is_shared, records) = (self.inner.store.may_have_rivals(), self.inner.records.clone());
        Arc::new(move || {
            let records = records.clone();
            Box::pin(async move {
                !is_shared
                    || records.is_newest().await.unwrap_or_else(|error| {
                        tracing::debug!(%error, "files stay until storage can be asked for newer records");
                        false
                    })
            })
        })
    }

    /// Finds out beside everything else what garbage collection must leave alone: an open
    /// does not wait for the lists of all snapshots.
    pub(super) fn begin_to_fill(&self, handle: &Arc<Handle>) {
        if handle.keep.is_complete() {
            return;
        }
        *handle.last_fill.lock() = Some(Instant::now());
        let (collections, handle) = (self.clone(), Arc::clone(handle));
        self.inner.store.tasks().work("keep", async move {
            let stop = collections.inner.store.tasks().stop_token();
            if let Some(Err(error)) = stop.run_until_cancelled(collections.fill(&handle)).await {
                tracing::warn!(error = error.in_full(), uid = %handle.uid, "no file is given back until it is known what snapshots need");
            }
        });
    }

    /// Finds out what garbage collection must leave alone, unless that is known. Until
    /// then it leaves every file alone.
    pub(super) async fn fill(&self, handle: &Handle) -> Result<(), Error> {
        let _filling = handle.filling.lock().await;
        if !handle.keep.is_complete() {
            self.fill_in(handle).await?;
            handle.keep.complete();
        }
        Ok(())
    }

    /// What is taken meanwhile is told of by who takes it.
    async fn fill_in(&self, handle: &Handle) -> Result<(), Error> {
        let inner = &self.inner;
        let found = inner.records.find(&Snapshot::of_collection(handle.uid))?;
        let filled = futures::stream::iter(found).map(Ok).try_for_each_concurrent(LISTS_AT_ONCE, |found| async move {
            let is_kept = || found.record.is_kept(&inner.records);
            if handle.keep.knows(found.uid) || !is_kept()? {
                return Ok(());
            }
            // It may have been read before it was CREATED: who took it keeps its files.
            let Ok(list) = found.file_list() else { return Ok(()) };
            match inner.store.load_files_while(list, is_kept).await {
                Ok(Some(files)) => handle.keep.snapshot(found.uid, files.ids().collect()),
                // Released meanwhile: then there is nothing to keep.
                Ok(None) => return Ok(()),
                Err(error) if error.is_transient() => return Err(error),
                // The collection itself is made of other objects, and may be whole.
                Err(error) => {
                    tracing::warn!(%error, snapshot = %found.name, "all files of its collection are kept for it");
                    handle.keep.snapshot_of_unknown_files(found.uid);
                }
            }
            if !is_kept()? {
                // It may have been given back just before.
                handle.keep.release(found.uid);
            }
            Ok(())
        });
        filled.await
    }

    /// Begins again after an attempt that did not find out all.
    pub(super) fn fill_again(&self, handle: &Arc<Handle>) {
        if handle.last_fill.lock().is_some_and(|begun| begun.elapsed() >= AGAIN) {
            self.begin_to_fill(handle);
        }
    }
}
