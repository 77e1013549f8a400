//! Says what a restore failed by in words that a caller can act on: damage of the snapshot,
//! with the object, which is still there; or of the copy alone, which is removed.

use super::{Restores, work::Work};
use crate::{
    documents::{Culprit, Transfer},
    error::Error,
    records::{Restore, RestoreState},
};

impl Restores {
    /// The error that a restore fails with.
    pub(super) async fn blamed(&self, seen: &Restore, error: Error, work: &Work) -> Result<Error, Error> {
        let Error::DataLoss(said) = error else { return Ok(error) };
        tracing::info!(said, name = %seen.name, "a restore has met damage; what is damaged is looked for");
        let is_of_copy = said.contains(&seen.collection_uid.to_string());
        let culprit = match seen.state {
            RestoreState::Verifying => self.culprit(seen, work).await,
            // It reads the snapshot, and is told which object of it is damaged.
            _ if !is_of_copy => Ok(Culprit::Snapshot(said.clone())),
            _ => Ok(Culprit::Neither),
        };
        let snapshot = &seen.snapshot;
        Ok(Error::DataLoss(match culprit {
            Ok(Culprit::Snapshot(why)) => format!("{why}; {snapshot} has it"),
            Ok(Culprit::Copy(file)) => {
                format!(
                    "the copy of {file} was not what was copied, and is removed; {snapshot} is whole: restore it again"
                )
            }
            Ok(Culprit::Neither) => {
                format!("{said}, which the restore itself had written, and which is removed; restore {snapshot} again")
            }
            Err(Error::ShuttingDown) => return Err(Error::ShuttingDown),
            Err(error) => {
                tracing::warn!(error = error.in_full(), name = %seen.name, "whether the snapshot is damaged could not be found out");
                format!("{said}, in the copy, which is removed; whether {snapshot} is damaged could not be found out")
            }
        }))
    }

    async fn culprit(&self, seen: &Restore, work: &Work) -> Result<Culprit, Error> {
        let store = &self.inner.store;
        let files = store.load_files(seen.file_list()).await?;
        let destination = seen.collection_uid;
        let transfer = Transfer { manifest: seen.manifest(), floor: seen.totals.floor, destination, files: &files };
        store.culprit(transfer, &seen.totals, &work.stop).await
    }
}
