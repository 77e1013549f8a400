//! What errors of the storage below mean to the domain.

use std::{error::Error as StdError, io::ErrorKind, sync::Arc};

use slatedb::{ErrorKind as Kind, object_store::path::Path};

use super::sealed::Damage;
use crate::error::Error;

/// Parts of what SlateDB says of faults that pass, under kinds that mean damage or a
/// mistake: it tells them apart no better. A test pins them.
const PASSING: [&str; 6] = [
    // Two changes of the manifest at once, or one whose first attempt had come through.
    "version already exists",
    "invalid clock tick",
    "checkpoint outcome is unknown",
    // What was asked of a database while that failed, or was closed.
    "read channel error",
    "background task cancelled",
    "compaction executor failed",
];

impl From<slatedb::Error> for Error {
    fn from(error: slatedb::Error) -> Self {
        if let Some(damage) = Damage::behind(&error) {
            return damage.into();
        }
        let text = error.to_string();
        match error.kind() {
            Kind::Unavailable | Kind::Closed(_) | Kind::Transaction => Error::Unavailable(Arc::new(error)),
            _ if PASSING.iter().any(|passing| text.contains(passing)) => Error::Unavailable(Arc::new(error)),
            // Its kind, before what it says.
            Kind::Data => Error::DataLoss(text.trim_start_matches("Data error: ").to_owned()),
            _ => Error::Internal(Arc::new(error)),
        }
    }
}

impl From<slatedb::object_store::Error> for Error {
    fn from(error: slatedb::object_store::Error) -> Self {
        match Damage::behind(&error) {
            Some(damage) => damage.into(),
            None => Error::Unavailable(Arc::new(error)),
        }
    }
}

impl From<&Damage> for Error {
    fn from(damage: &Damage) -> Self {
        Error::DataLoss(damage.to_string())
    }
}

/// Damage with the name of the object. What has no seal may be taken for anything.
pub(super) fn unreadable(path: &Path, error: Error) -> Error {
    match error {
        Error::DataLoss(why) if why.contains(path.as_ref()) => Error::DataLoss(why),
        Error::DataLoss(why) => Error::DataLoss(format!("{path} cannot be read: {why}")),
        Error::Internal(why) => Error::DataLoss(format!("{path} cannot be read: {why}")),
        other => other,
    }
}

/// Whether it is for want of room on a disk.
pub(super) fn is_full(error: &Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = match error {
        Error::Unavailable(cause) | Error::OutcomeUnknown(cause) | Error::Internal(cause) => Some(cause.as_ref()),
        _ => None,
    };
    while let Some(error) = cause {
        let found = error.downcast_ref::<std::io::Error>();
        if found.is_some_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
            return true;
        }
        // The source of one that carries another is that one's source.
        cause = match found.and_then(std::io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, time::Duration};

    use slatedb::{
        Db, Error as SlateError,
        object_store::{Error as StoreError, memory::InMemory},
    };

    use super::*;
    use crate::documents::Root;

    fn stored(kind: ErrorKind) -> StoreError {
        StoreError::Generic { store: "disk", source: Box::new(std::io::Error::from(kind)) }
    }

    fn caused(error: SlateError, cause: StoreError) -> SlateError {
        error.with_source(Box::new(Arc::new(cause)))
    }

    /// By kind and text, as SlateDB 0.18.0 has them (`src/error.rs` there).
    #[test]
    fn each_fault_has_its_name() {
        let not_found =
            || StoreError::NotFound { path: "compacted/1.sst".to_owned(), source: "it is not there".into() };
        let closed = |reason| SlateError::closed("db is closed".to_owned(), reason);
        let table: [(SlateError, &str); 18] = [
            (SlateError::data("checksum mismatch in wal/1.sst".to_owned()), "DATA_LOSS"),
            (SlateError::data("wal truncated at wal file `3`".to_owned()), "DATA_LOSS"),
            (SlateError::data("invalid DB state error".to_owned()), "DATA_LOSS"),
            (SlateError::data("failed to find manifest with id. id=`3`".to_owned()), "DATA_LOSS"),
            (caused(SlateError::data("object store error".to_owned()), not_found()), "DATA_LOSS"),
            (
                SlateError::data("transactional object (e.g. manifest) version already exists".to_owned()),
                "STORAGE_UNAVAILABLE",
            ),
            (
                SlateError::invalid("invalid clock tick, must be monotonic. last_tick=`2`, next_tick=`1`".to_owned()),
                "STORAGE_UNAVAILABLE",
            ),
            (
                SlateError::internal("checkpoint outcome is unknown. checkpoint_id=`7`".to_owned()),
                "STORAGE_UNAVAILABLE",
            ),
            (SlateError::internal("read channel error".to_owned()), "STORAGE_UNAVAILABLE"),
            (SlateError::internal("background task cancelled. name=`x`".to_owned()), "STORAGE_UNAVAILABLE"),
            (SlateError::internal("compaction executor failed".to_owned()), "STORAGE_UNAVAILABLE"),
            (
                caused(SlateError::unavailable("object store error".to_owned()), stored(ErrorKind::Other)),
                "STORAGE_UNAVAILABLE",
            ),
            (SlateError::transaction("transaction conflict".to_owned()), "STORAGE_UNAVAILABLE"),
            (closed(slatedb::CloseReason::Clean), "STORAGE_UNAVAILABLE"),
            (closed(slatedb::CloseReason::Fenced), "STORAGE_UNAVAILABLE"),
            (closed(slatedb::CloseReason::Panic), "STORAGE_UNAVAILABLE"),
            (SlateError::invalid("empty write batch not allowed".to_owned()), "INTERNAL"),
            (SlateError::internal("background task executor already started".to_owned()), "INTERNAL"),
        ];
        for (error, reason) in table {
            let text = error.to_string();
            assert_eq!(Error::from(error).reason().1, reason, "{text}");
        }
    }

    #[test]
    fn want_of_room_is_found_below_other_causes() {
        for (kind, full) in
            [(ErrorKind::StorageFull, true), (ErrorKind::QuotaExceeded, true), (ErrorKind::Other, false)]
        {
            let direct = Error::from(stored(kind));
            let below = Error::from(caused(SlateError::unavailable("wal unavailable".to_owned()), stored(kind)));
            let carried = std::io::Error::other(stored(kind));
            let carried = Error::Unavailable(Arc::new(carried));
            for error in [direct, below, carried] {
                assert_eq!(is_full(&error), full, "{error:?}");
            }
        }
        assert!(!is_full(&Error::ShuttingDown));
    }

    /// What SlateDB itself says: an upgrade that says it otherwise fails here.
    #[tokio::test]
    async fn a_name_that_is_taken_is_said_as_it_is_known_here() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        // No object, so no list shows it, and nothing can be created in its place.
        std::fs::create_dir_all(dir.path().join("db/manifest/00000000000000000001.manifest")).unwrap();
        let error = Db::open("db", root.store()).await.err().unwrap();
        assert!(error.to_string().contains(PASSING[0]), "{error}");
        assert_eq!(Error::from(error).reason().1, "STORAGE_UNAVAILABLE");
    }

    /// A clock that stands still, or has been set back.
    #[derive(Debug)]
    struct Still(i64);

    impl slatedb_common::clock::SystemClock for Still {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::from_timestamp_millis(self.0).unwrap()
        }

        fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            // SlateDB waits for seconds that this clock never has.
            Box::pin(tokio::time::sleep(duration.min(Duration::from_millis(1))))
        }

        fn ticker(&self, duration: Duration) -> slatedb_common::clock::SystemClockTicker<'_> {
            slatedb_common::clock::SystemClockTicker::new(self, duration)
        }
    }

    #[tokio::test]
    async fn a_clock_behind_the_last_tick_is_said_as_it_is_known_here() {
        let store = Arc::new(InMemory::new());
        let settings =
            || slatedb::Settings { compactor_options: None, garbage_collector_options: None, ..Default::default() };
        let open = |now: i64| {
            let clock = Arc::new(Still(now));
            Db::builder("db", store.clone()).with_settings(settings()).with_system_clock(clock).build()
        };
        let ahead = open(1_000_000_000).await.unwrap();
        ahead.put(b"k", b"v").await.unwrap();
        ahead.close().await.unwrap();
        let behind = open(1_000).await.unwrap();
        let error = behind.put(b"k", b"v").await.unwrap_err();
        assert!(error.to_string().contains(PASSING[1]), "{error}");
        assert_eq!(Error::from(error).reason().1, "STORAGE_UNAVAILABLE");
    }
}
