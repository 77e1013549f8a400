//! What closed collections hold, so that a list of them opens none.
//!
//! It is a cache beside the records, which may be lost, or older than the
//! collection. So it says which manifest of the database it belongs to: whoever
//! opens a database to write begins with a new manifest. What this process has
//! saved or compared itself is not compared again.

use uuid::Uuid;

use super::Collections;
use crate::{
    documents::Totals,
    error::Error,
    records::{CollectionStats, uid},
};

impl Collections {
    /// Saves what a collection holds that is closed now.
    pub async fn save_statistics(&self, uid: Uuid, totals: Totals, stored_bytes: i64) {
        // Lost, they cost an open.
        if let Err(error) = self.try_save_statistics(uid, totals, stored_bytes).await {
            tracing::warn!(%error, %uid, "the statistics of a closed collection were not saved");
        }
    }

    async fn try_save_statistics(&self, uid: Uuid, totals: Totals, stored_bytes: i64) -> Result<(), Error> {
        let inner = &self.inner;
        let Some(manifest_id) = inner.store.newest_manifest(uid).await? else { return Ok(()) };
        let uid_bytes = uid.as_bytes().to_vec();
        let stats = CollectionStats { uid: uid_bytes, totals: Some(totals.into()), stored_bytes, manifest_id };
        inner.records.cache().put(&stats)?;
        inner.compared.lock().insert(uid);
        Ok(())
    }

    /// What a closed collection holds, if that is known.
    pub(super) async fn statistics(&self, uid: Uuid) -> Result<Option<(Totals, i64)>, Error> {
        let inner = &self.inner;
        let Some(found) = inner.records.cache().get(&CollectionStats::at(uid))? else { return Ok(None) };
        if !inner.compared.lock().contains(&uid) {
            if inner.store.newest_manifest(uid).await? != Some(found.manifest_id) {
                return Ok(None);
            }
            inner.compared.lock().insert(uid);
        }
        Ok(Some((found.totals.map(Totals::from).unwrap_or_default(), found.stored_bytes)))
    }

    /// Forgets what a collection held, before it changes or because it is gone.
    pub(super) fn forget_statistics(&self, uid: Uuid) {
        self.inner.compared.lock().remove(&uid);
        // What stays is told apart by its manifest.
        if let Err(error) = self.inner.records.cache().forget(&CollectionStats::at(uid)) {
            tracing::debug!(%error, %uid, "statistics stay in the cache");
        }
    }

    /// They may have been saved at the moment their collection was deleted.
    pub(super) fn sweep_statistics(&self) -> Result<(), Error> {
        for saved in self.inner.records.cache().scan(&CollectionStats::all()) {
            let uid = uid(&saved?.uid);
            // Those of one that is being created are saved before its record.
            if !self.inner.creating.lock().contains(&uid) && !self.is_known(uid)? {
                self.forget_statistics(uid);
            }
        }
        Ok(())
    }
}
