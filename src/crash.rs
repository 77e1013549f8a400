//! Named points where a test can end the process as a crash would, to prove
//! that recovery is the ordinary loop, or panic, to prove that a panic is an error of what
//! was being done and of nothing else. Release builds have none.
//!
//! The points are an enum. A test matches it without a wildcard, so a new point does not
//! compile until something leads there; and it reads the sources, so a point that is
//! nowhere fails.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, Ordering};

macro_rules! points {
    ($($point:ident = $name:literal,)*) => {
        /// A moment between two durable steps, by the step around it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each has its name")]
        pub enum Point {
            $($point,)*
        }

        impl Point {
            /// All of them, for the test that visits each.
            pub const ALL: &[Self] = &[$(Self::$point,)*];

            /// Its name in the environment and in logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

points! {
    CollectionIntended = "collection.intended",
    CollectionBeforeRecord = "collection.before_record",
    RetireBeforeFiles = "retire.before_files",
    RetireTrimmed = "retire.trimmed",
    RetireBeforeRecord = "retire.before_record",
    SnapshotCut = "snapshot.cut",
    SnapshotPinned = "snapshot.pinned",
    SnapshotBeforeRecord = "snapshot.before_record",
    SnapshotCreated = "snapshot.created",
    ReleaseUnpinned = "release.unpinned",
    ReleaseBeforeRecord = "release.before_record",
    RestorePinned = "restore.pinned",
    RestoreStaged = "restore.staged",
    RestoreLinked = "restore.linked",
    RestoreCommitted = "restore.committed",
    RestoreCopied = "restore.copied",
    RestoreTrimmed = "restore.trimmed",
    RestoreVerified = "restore.verified",
    RestorePublished = "restore.published",
    RestoreRemoved = "restore.removed",
    AcceptBegun = "accept.begun",
    AcceptMoved = "accept.moved",
    AcceptCounted = "accept.counted",
    SourceInitialised = "source.initialised",
    SourceLanded = "source.landed",
    SourceRetired = "source.retired",
}

/// Ends the process here, or panics, if the environment names this point.
#[macro_export]
macro_rules! crash_point {
    ($point:ident) => {
        #[cfg(debug_assertions)]
        $crate::crash::reach($crate::crash::Point::$point);
    };
}

/// Aborts if `STILLFRAME_CRASH_AT` is this point. If `STILLFRAME_PANIC_AT` is, panics when it
/// is reached for the first time.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "as a fault of ours would")]
pub fn reach(point: Point) {
    static HAS_PANICKED: AtomicBool = AtomicBool::new(false);
    let is_at = |variable| std::env::var_os(variable).is_some_and(|at| at == point.name());
    if is_at("STILLFRAME_CRASH_AT") {
        std::process::abort();
    }
    if is_at("STILLFRAME_PANIC_AT") && !HAS_PANICKED.swap(true, Ordering::Relaxed) {
        panic!("a panic at {}, as asked", point.name());
    }
}
