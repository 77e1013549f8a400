//! Closes collections: those that are not used, those that are deleted, and all at a stop.

use std::sync::{Arc, atomic::Ordering};

use uuid::Uuid;

use super::{Closed, Handle};
use crate::{
    collection::Collections,
    documents::{Engine, Manifests},
    error::Error,
};

/// With more than so many left at a close, they are worth a look of their own.
const FEW_MANIFESTS: usize = 16;

impl Collections {
    /// Closes what has not been used for a while.
    pub async fn close_idle(&self) {
        let idle = self.inner.store.idle_close();
        let handles: Vec<_> = self.inner.handles.lock().values().cloned().collect();
        for handle in handles {
            self.fill_again(&handle);
            let held = handle.slot.try_lock().ok().and_then(|slot| slot.clone());
            if let Some(engine) = held
                && engine.is_overtaken().await.unwrap_or(false)
            {
                self.step_down(&engine);
            }
            let is_idle = || {
                handle.users.load(Ordering::SeqCst) == 0
                    && !handle.keep.is_scanned()
                    && handle.last_used.lock().elapsed() >= idle
            };
            if !is_idle() {
                continue;
            }
            let mut slot = handle.locked().await;
            if is_idle()
                && let Some(engine) = slot.take()
            {
                if engine.is_draining().await.unwrap_or(false) {
                    *slot = Some(engine);
                } else {
                    self.close(&handle, &engine).await;
                }
            }
            drop(slot);
            self.forget_handle(&handle);
        }
    }

    /// A closed handle holds nothing that the records do not say.
    fn forget_handle(&self, handle: &Arc<Handle>) {
        let mut handles = self.inner.handles.lock();
        // The map's and the caller's: nobody else can be opening it.
        let unused = Arc::strong_count(handle) <= 2 && handle.users.load(Ordering::SeqCst) == 0;
        let closed = handle.slot.try_lock().is_ok_and(|slot| slot.is_none());
        if unused && closed && !handle.deleted.is_cancelled() {
            handles.remove(&handle.uid);
        }
    }

    async fn close(&self, handle: &Handle, engine: &Engine) {
        if let Err(error) = engine.close(true).await {
            tracing::warn!(%error, uid = %handle.uid, "an idle collection did not close cleanly");
            return;
        }
        match self.fill(handle).await {
            Ok(()) => self.inner.store.collect_closed(handle.uid, Arc::clone(&handle.keep)).await,
            Err(error) => tracing::warn!(%error, uid = %handle.uid, "nothing of an idle collection is collected"),
        }
        let left = self.save_stats(handle, engine).await;
        if left.count > FEW_MANIFESTS {
            self.collect_later(handle.uid);
        }
    }

    /// Says what a collection holds that was closed just now, and returns the manifests
    /// that it has.
    async fn save_stats(&self, handle: &Handle, engine: &Engine) -> Manifests {
        if handle.deleted.is_cancelled() {
            return Manifests::default();
        }
        let manifests = self.inner.store.manifests(handle.uid).await.unwrap_or_else(|error| {
            tracing::debug!(%error, uid = %handle.uid, "the manifests of a closed collection were not counted");
            Manifests::default()
        });
        self.save_statistics(handle.uid, engine.totals(), engine.stored_bytes_beside(manifests)).await;
        manifests
    }

    /// Collects what is too young at a close, unless the collection is open again by then:
    /// nobody would come back to it.
    fn collect_later(&self, uid: Uuid) {
        let (collections, tasks) = (self.clone(), self.inner.store.tasks());
        let (stop, wait) = (tasks.stop_token(), self.inner.store.manifests_stay());
        tasks.work("collection of manifests", async move {
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
                collections.collect_if_closed(uid).await;
            }
        });
    }

    /// Collects files in a collection that is not open; an open one collects
    /// by itself.
    pub async fn collect_if_closed(&self, uid: Uuid) {
        let handle = self.handle(uid);
        let slot = handle.locked().await;
        // What is known to be damaged is not looked at again for this.
        if slot.is_none()
            && handle.damage().is_none()
            && let Err(error) = self.collect(&handle).await
            && !matches!(error, Error::CollectionDeleted(_))
        {
            tracing::warn!(%error, %uid, "nothing of a closed collection is collected");
        }
    }

    /// Collects files in a closed collection, and says what is left.
    async fn collect(&self, handle: &Handle) -> Result<(), Error> {
        let (store, uid) = (&self.inner.store, handle.uid);
        self.inspect(handle).await?;
        self.fill(handle).await?;
        handle.keep.trust();
        let before = store.manifests(uid).await?;
        store.collect_closed(uid, Arc::clone(&handle.keep)).await;
        let after = store.manifests(uid).await?;
        if after != before
            && let Some((totals, stored_bytes)) = self.statistics(uid).await?
        {
            // What was saved may not have counted any.
            let left = stored_bytes.saturating_add_unsigned(after.bytes).saturating_sub_unsigned(before.bytes);
            self.save_statistics(uid, totals, left.max(0)).await;
        }
        Ok(())
    }

    /// Closes everything, quickly: the logs are replayed at the next open.
    pub async fn close_all(&self) {
        let handles: Vec<_> = self.inner.handles.lock().drain().map(|(_, handle)| handle).collect();
        let closes = handles.into_iter().map(|handle| async move {
            let Some(engine) = handle.locked().await.take() else { return };
            match engine.close(false).await {
                Ok(()) => drop(self.save_stats(&handle, &engine).await),
                Err(error) => tracing::warn!(%error, uid = %handle.uid, "a collection did not close cleanly"),
            }
        });
        futures::future::join_all(closes).await;
    }

    /// Closes a deleted collection for good, once nobody holds it. Nobody can
    /// open it again while the guard is held.
    pub(in crate::collection) async fn close_retired<'a>(&self, handle: &'a Handle) -> Option<Closed<'a>> {
        handle.mark_deleted();
        let mut slot = handle.locked().await;
        if handle.users.load(Ordering::SeqCst) > 0 || handle.keep.is_scanned() {
            return None;
        }
        let uid = handle.uid;
        if let Some(engine) = slot.take()
            && let Err(error) = engine.close(false).await
        {
            tracing::warn!(%error, %uid, "a deleted collection did not close cleanly");
        }
        Some(slot)
    }
}
