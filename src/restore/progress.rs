//! How far a restore is.

use crate::{
    clock::Micros,
    records::{Failure, Restore, RestoreState},
};

/// What a restore is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Waiting for its turn.
    Pending,
    /// Copying files.
    Copying,
    /// Making the copy a database.
    Finalizing,
    /// Proving it.
    Verifying,
    /// Making the collection READY.
    Publishing,
    /// Ended.
    Done,
}

/// A value that watchers see.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The restore's name.
    pub restore: String,
    /// Its state.
    pub state: RestoreState,
    /// What it is doing.
    pub phase: Phase,
    /// Bytes copied, and to copy.
    pub bytes: (i64, i64),
    /// Files copied, and to copy.
    pub files: (i64, i64),
    /// Documents proven, and to prove.
    pub documents: (i64, i64),
    /// Documents dropped so far.
    pub dropped: i64,
    /// When it was requested, for the time elapsed.
    pub create_time: Micros,
    /// When it ended, or is about to.
    pub end_time: Option<Micros>,
    /// A guess at the time left.
    pub remaining: Option<Micros>,
    /// Why it failed.
    pub error: Option<Failure>,
}

impl Progress {
    /// Of a restore that nobody works on now.
    #[must_use]
    pub fn at_rest(record: &Restore) -> Self {
        let documents = record.totals.document_count;
        let succeeded = record.state == RestoreState::Succeeded;
        let done = |total: i64| if succeeded { total } else { 0 };
        let (phase, copied) = match record.state {
            RestoreState::Pending => (Phase::Pending, false),
            RestoreState::Copying => (Phase::Copying, false),
            RestoreState::Verifying => (Phase::Verifying, true),
            RestoreState::Publishing => (Phase::Publishing, true),
            RestoreState::Failing | RestoreState::Cancelling => (Phase::Finalizing, false),
            RestoreState::Succeeded => (Phase::Done, true),
            RestoreState::Failed | RestoreState::Cancelled => (Phase::Done, false),
        };
        let moved = |total: i64| if copied { total } else { 0 };
        Self {
            restore: record.name.to_string(),
            state: record.state,
            phase,
            bytes: (moved(record.bytes), record.bytes),
            files: (moved(record.files), record.files),
            documents: (done(documents), documents),
            dropped: record.documents_dropped,
            create_time: record.create_time,
            end_time: record.end_time,
            remaining: None,
            error: record.error.clone(),
        }
    }

    /// Whether another value of the same restore shows that more is done.
    #[must_use]
    pub fn is_behind(&self, other: &Self) -> bool {
        let done = |progress: &Self| (progress.phase, progress.bytes.0, progress.files.0, progress.documents.0);
        // A clean-up is no lesser progress, but news.
        let cleans_up = matches!(self.state, RestoreState::Failing | RestoreState::Cancelling);
        !self.state.is_terminal() && !cleans_up && done(self) < done(other)
    }
}
