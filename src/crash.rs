//! Named points where a test can end the process as a crash would, to prove
//! that recovery is the ordinary loop. Release builds have none.

/// Every point, for the test that visits them all.
pub const POINTS: &[&str] = &[
    "collection.before_record",
    "retire.before_record",
    "snapshot.cut",
    "snapshot.before_record",
    "release.before_record",
    "restore.pinned",
    "restore.copied",
    "restore.trimmed",
    "restore.verified",
    "restore.published",
    "restore.removed",
    "source.initialised",
    "source.landed",
    "source.retired",
];

/// Ends the process here if the environment names this point.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::crash::reach($name);
    };
}

/// Aborts if `STILLFRAME_CRASH_AT` is this point.
#[cfg(debug_assertions)]
pub fn reach(point: &str) {
    debug_assert!(POINTS.contains(&point), "{point} is not listed");
    if std::env::var_os("STILLFRAME_CRASH_AT").is_some_and(|at| at == point) {
        std::process::abort();
    }
}
