//! Room for what a restore copies.
//!
//! Hard links take up none, so a restore of links needs no more than any other
//! change. One that copies bytes is let in only if all of it fits beside what
//! others have still to copy, and the reserve stays free. Should the room go all
//! the same, it stops copying, waits for a while, then fails and gives back what
//! it has copied: the reserve is not for it.

use super::Restores;
use crate::{
    error::Error,
    records::{Restore, RestoreState, Snapshot},
};

impl Restores {
    /// Refuses a restore that there is no room for.
    pub(super) fn check_space(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let store = &self.inner.store;
        if !store.copies_bytes(self.inner.copy_mode) {
            return store.space().admit();
        }
        let bytes = snapshot.contents()?.referenced_bytes.saturating_add(self.promised()?);
        store.space().admit_bytes(u64::try_from(bytes).unwrap_or(0))
    }

    /// Bytes that the restores under way have still to copy.
    fn promised(&self) -> Result<i64, Error> {
        let mut promised = 0;
        for restore in self.inner.records.find(&Restore::pending())? {
            if matches!(restore.state, RestoreState::Pending | RestoreState::Copying) {
                let (done, total) = self.progress(&restore).bytes;
                promised += (total - done).max(0);
            }
        }
        Ok(promised)
    }
}
