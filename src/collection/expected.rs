//! What is expected of a collection: what it held when it was closed last, and which
//! objects were its newest.
//!
//! An open is held against it: with fewer writes, or without one of those objects, the
//! database is damaged, however well it reads. It stays until the next close has put
//! another in its place, so it is a floor while the collection is open or was killed.
//!
//! It also says what a closed collection holds, so that a list of them opens none: as
//! long as its manifest is the newest, for whoever opens a database to write begins with
//! a new one. What this process has saved or compared itself is not compared again.

use uuid::Uuid;

use super::Collections;
use crate::{
    documents::{Least, Newest, Totals},
    error::Error,
    records::{Change, Contents, Expected, Records, Snapshot},
};

impl Collections {
    /// Says what a collection holds that is closed now.
    pub(super) async fn save_statistics(&self, uid: Uuid, totals: Totals, stored_bytes: i64) {
        // The last that was saved stays a floor.
        if let Err(error) = self.try_save_statistics(uid, totals, stored_bytes).await {
            tracing::warn!(%error, %uid, "what a closed collection holds was not saved");
        }
    }

    async fn try_save_statistics(&self, uid: Uuid, totals: Totals, stored_bytes: i64) -> Result<(), Error> {
        let expected = self.expected(uid, totals, stored_bytes).await?;
        self.forget_statistics(uid);
        let saved = || {
            let change = Change::default();
            Ok((if self.is_known(uid)? { change.put(&expected) } else { change }, ()))
        };
        self.inner.records.change(saved).await?;
        self.inner.compared.lock().insert(uid);
        Ok(())
    }

    /// What is expected of a collection that is closed, and stays closed until the record
    /// is committed.
    pub async fn expected(&self, uid: Uuid, totals: Totals, stored_bytes: i64) -> Result<Expected, Error> {
        let inner = &self.inner;
        let newest = inner.store.root().durable_newest(uid).await?;
        let newest = newest.ok_or_else(|| Error::DataLoss(format!("collections/{uid} has no manifest")))?;
        let before = inner.records.get(&Expected::at(uid))?;
        if before.is_none() {
            inner.compared.lock().insert(uid);
        }
        Ok(Expected {
            uid,
            totals: Some(totals),
            manifest_id: newest.manifest_id,
            manifest_hash: newest.manifest_hash,
            log_id: newest.log_id,
            stored_bytes,
            sealed_from: before.and_then(|before| before.record.sealed_from),
            acceptance: None,
        })
    }

    /// What a collection must have, at least.
    pub(super) fn least(&self, uid: Uuid) -> Result<(Least, Vec<Totals>), Error> {
        let expected = self.inner.records.get(&Expected::at(uid))?.map(|found| found.record);
        if expected.as_ref().is_some_and(|expected| expected.acceptance.is_some()) {
            return Err(Error::DataLoss(format!(
                "collections/{uid} may be half repaired: collections accept-loss was begun; run it again"
            )));
        }
        least(&self.inner.records, uid, expected)
    }

    /// What a closed collection holds, if that is known.
    pub(super) async fn statistics(&self, uid: Uuid) -> Result<Option<(Totals, i64)>, Error> {
        let inner = &self.inner;
        let Some(found) = inner.records.get(&Expected::at(uid))? else { return Ok(None) };
        let Expected {
            totals: Some(totals), manifest_id, manifest_hash, log_id, stored_bytes, acceptance: None, ..
        } = found.record
        else {
            return Ok(None);
        };
        if !inner.compared.lock().contains(&uid) {
            let newest = match inner.store.root().newest(uid).await {
                // Whoever opens it says so.
                Ok(None) | Err(Error::DataLoss(_)) => return Ok(None),
                newest => newest?,
            };
            if newest != Some(Newest { manifest_id, manifest_hash, log_id }) {
                return Ok(None);
            }
            // Whoever opens it makes a handle first, and then forgets this.
            let handles = inner.handles.lock();
            if !handles.contains_key(&uid) {
                inner.compared.lock().insert(uid);
            }
        }
        Ok(Some((totals, stored_bytes)))
    }

    /// What a collection held is not what it holds: it changes, or is gone.
    pub(super) fn forget_statistics(&self, uid: Uuid) {
        self.inner.compared.lock().remove(&uid);
    }
}

/// What a collection must have, at least: as it was closed last, or as its newest snapshot
/// was cut.
pub(super) fn least(records: &Records, uid: Uuid, expected: Option<Expected>) -> Result<(Least, Vec<Totals>), Error> {
    let (mut least, mut totals) = (Least::default(), Vec::new());
    if let Some(Expected { totals: held, manifest_id, manifest_hash, log_id, .. }) = expected {
        least = Least { manifest_id, manifest_hash, log_id };
        totals.extend(held);
    }
    if let Some(newest) = records.find_last(&Snapshot::created_of(uid), |_| true)? {
        let Contents { manifest, totals: held, .. } = newest.contents()?.clone();
        if manifest.id > least.manifest_id {
            least = Least { manifest_id: manifest.id, manifest_hash: None, ..least };
        }
        totals.push(held);
    }
    Ok((least, totals))
}
