//! What the retention drops from a restore, settled when its work begins, and
//! foretold for a caller who only asks.
//!
//! Intervals that lie before the cutoff as a whole are left out by the records
//! alone; how much of the one that the cutoff falls into has expired is known
//! when it has been read.

use super::{CreateRestore, Restores};
use crate::{
    clock::Micros,
    documents::{Dropped, Files, Totals},
    error::Error,
    names::Id,
    records::{Restore, RestoreState, Snapshot},
};

/// A plan reads no more documents than this.
const MAX_READ: i64 = 1_000_000;

/// What a restore will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The restore as it stands, or would.
    pub restore: Restore,
    /// Nobody has requested it: it has no uid, no state, and no name but the one that the
    /// caller has given it, if it has given one.
    pub is_foretold: bool,
    /// Documents of the interval that the cutoff falls into which have not been
    /// read yet.
    pub undecided: i64,
}

impl Plan {
    /// That of a stored restore.
    #[must_use]
    pub fn of(restore: Restore) -> Self {
        let is_read = matches!(restore.state, RestoreState::Publishing | RestoreState::Succeeded);
        let is_fixed = restore.start_time.is_some() && !is_read;
        let undecided = if is_fixed { boundary_count(&restore.totals) } else { 0 };
        Self { restore, is_foretold: false, undecided }
    }
}

impl Restores {
    /// Evaluates every gate and returns what would be done now.
    pub async fn plan(&self, command: &CreateRestore) -> Result<Plan, Error> {
        let inner = &self.inner;
        let workspace = inner.workspaces.stored(&command.workspace)?;
        let snapshot = inner.snapshots.stored(&command.snapshot)?;
        self.check(command, command.id.as_ref(), &workspace, &snapshot).map(drop)?;
        // Of nobody else's: of a uid that nothing bears.
        let uid = inner.clock.new_uid();
        let id = command.id.clone().unwrap_or_else(|| Id::made_of(uid));
        let planned = self.foretell(self.record(command, &id, uid, &snapshot)?, &snapshot).await;
        // What was read may have been given back meanwhile: then that is the answer.
        planned.map_err(|error| match inner.snapshots.stored(&command.snapshot) {
            Ok(now) => self.check(command, command.id.as_ref(), &workspace, &now).err().unwrap_or(error),
            Err(gone) => gone,
        })
    }

    async fn foretell(&self, mut restore: Restore, snapshot: &Snapshot) -> Result<Plan, Error> {
        let inner = &self.inner;
        let files = inner.snapshots.files(snapshot).await?;
        let files = self.leave_out(&mut restore, &files, inner.clock.now()).await?;
        restore.bytes = files.bytes();
        restore.files = files.count();
        let totals = &restore.totals;
        let undecided = boundary_count(totals);
        if undecided == 0 || undecided > MAX_READ {
            return Ok(Plan { restore, is_foretold: true, undecided });
        }
        let expired = inner.store.count_expired(restore.manifest(), totals.reached(), totals.cutoff).await?;
        drop_more(&mut restore, expired);
        Ok(Plan { restore, is_foretold: true, undecided: 0 })
    }

    /// Fixes the cutoff, and leaves out what lies before it as a whole. Returns
    /// the files that are left.
    pub(super) async fn leave_out(&self, restore: &mut Restore, files: &Files, now: Micros) -> Result<Files, Error> {
        let totals = &mut restore.totals;
        if totals.retention.is_none() {
            return Ok(files.clone());
        }
        totals.move_cutoff(now);
        let (_, dropped) = totals.drop_expired();
        // Below it there may be files of intervals that the source had dropped.
        totals.floor = totals.floor.max(totals.reached());
        let floor = totals.floor;
        restore.documents_dropped = dropped.documents;
        restore.bytes_dropped = dropped.bytes;
        Ok(self.inner.store.frozen(restore.manifest()).await?.files_from(floor, files))
    }
}

/// Counts out what has been found expired.
fn drop_more(restore: &mut Restore, expired: Dropped) {
    restore.documents_dropped += expired.documents;
    restore.bytes_dropped += expired.bytes;
    restore.totals.document_count -= expired.documents;
    restore.totals.size_bytes -= expired.bytes;
}

/// Documents of the interval that the cutoff falls into.
fn boundary_count(totals: &Totals) -> i64 {
    totals.intervals.get(&totals.reached()).map_or(0, |interval| interval.document_count)
}
