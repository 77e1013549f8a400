//! What is under way of one restore.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Phase, Progress};
use crate::{
    clock::{Micros, micros},
    documents::Copied,
    records::{Restore, RestoreState, Verification},
};

/// A pace is told from at least so much time, in which a hundredth was done; after the longer one from whatever was
/// done.
const PACE_SHORTEST: Duration = Duration::from_millis(500);
const PACE_LONGEST: Duration = Duration::from_secs(10);

/// The work on one restore.
#[derive(Debug)]
pub(super) struct Work {
    pub copied: Copied,
    pub proven: Arc<AtomicI64>,
    /// Documents dropped from the interval that the cutoff falls into.
    pub trimmed: Arc<AtomicI64>,
    /// Cancelled by a caller or by the end of the service.
    pub stop: CancellationToken,
    /// The end time that is about to be recorded, or 0: time stands still until it is.
    pub ending: AtomicI64,
    /// When the phase began whose pace is measured.
    pace: Mutex<(Phase, Instant)>,
}

impl Work {
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            copied: Copied::new(stop.clone()),
            proven: Arc::default(),
            trimmed: Arc::default(),
            stop,
            ending: AtomicI64::new(0),
            pace: Mutex::new((Phase::Pending, Instant::now())),
        }
    }

    /// How far the restore is.
    pub fn progress(&self, record: &Restore) -> Progress {
        let mut progress = Progress::at_rest(record);
        if record.state.is_terminal() {
            return progress;
        }
        progress.bytes.0 = progress.bytes.0.max(self.copied.bytes.load(Relaxed).min(progress.bytes.1));
        progress.files.0 = progress.files.0.max(self.copied.files.load(Relaxed).min(progress.files.1));
        progress.documents.0 = self.proven.load(Relaxed);
        progress.end_time = Some(self.ending.load(Relaxed)).filter(|time| *time != 0);
        if record.state == RestoreState::Verifying {
            // Not in the record yet.
            let trimmed = self.trimmed.load(Relaxed);
            progress.documents.1 -= trimmed;
            progress.dropped += trimmed;
        }
        if record.state == RestoreState::Verifying
            && (progress.documents.0 == 0 || record.verification == Verification::Structure)
        {
            progress.phase = Phase::Finalizing;
        }
        progress.remaining = self.remaining(&progress);
        progress
    }

    /// A guess at the time left, from the pace of this phase.
    fn remaining(&self, progress: &Progress) -> Option<Micros> {
        let mut pace = self.pace.lock();
        if pace.0 != progress.phase {
            *pace = (progress.phase, Instant::now());
        }
        let (done, total) = match progress.phase {
            Phase::Copying => progress.bytes,
            Phase::Verifying => progress.documents,
            _ => return None,
        };
        guess(pace.1.elapsed(), done, total)
    }
}

/// What is left of a work, by its pace so far; `None` before there is one.
fn guess(elapsed: Duration, done: i64, total: i64) -> Option<Micros> {
    let left = total.checked_sub(done)?;
    let has_pace = elapsed >= PACE_SHORTEST && (done >= total / 100 || elapsed >= PACE_LONGEST);
    if done <= 0 || left < 0 || !has_pace {
        return None;
    }
    micros(elapsed).checked_mul(left)?.checked_div(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_guessed_before_there_is_a_pace() {
        let after = |millis, done, total| guess(Duration::from_millis(millis), done, total);
        assert_eq!(after(80, 999, 77_231_686), None, "three small files of six");
        assert_eq!(after(800, 999, 77_231_686), None);
        assert_eq!(after(499, 50, 100), None);
        assert_eq!(after(500, 50, 100), Some(500_000));
        assert_eq!(after(1_000, 1, 100), Some(99_000_000));
        assert_eq!(after(10_000, 1, 1_000), Some(9_990_000_000), "slow, but known");
        assert_eq!(after(10_000, 0, 1_000), None);
        assert_eq!(after(10_000, 1_000, 1_000), Some(0));
    }
}
