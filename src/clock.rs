//! The one place that reads the wall clock, so that tests own time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::SecondsFormat;

/// Microseconds since the Unix epoch, the unit of every stored time.
pub type Micros = i64;

/// The wall clock, possibly shifted.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shift: Arc<AtomicI64>,
}

impl Clock {
    /// Microseconds since the Unix epoch.
    #[allow(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
    #[must_use]
    pub fn now(&self) -> Micros {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        micros(since) + self.shift.load(Ordering::Relaxed)
    }

    /// A clock that shows this time now, and goes on from there: data written long ago
    /// is read as it was then.
    #[must_use]
    pub fn starting_at(time: Micros) -> Self {
        let clock = Self::default();
        clock.shift.store(time - clock.now(), Ordering::Relaxed);
        clock
    }

    /// Moves this clock and all its clones forward: days of retention and
    /// expiry are tested in milliseconds.
    pub fn advance(&self, by: Duration) {
        self.shift.fetch_add(micros(by), Ordering::Relaxed);
    }
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// At this time.
    At(Micros),
    /// After this long.
    After(Micros),
}

impl Expiration {
    /// The time, if the span begins now.
    #[must_use]
    pub fn time(self, now: Micros) -> Micros {
        match self {
            Self::At(time) => time,
            Self::After(span) => now.saturating_add(span),
        }
    }
}

/// A duration in the stored unit.
#[must_use]
pub fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A stored span as a duration; a negative one is none.
#[must_use]
pub fn duration(micros: Micros) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A stored time for people.
#[must_use]
pub fn rfc3339(time: Micros) -> String {
    let text =
        chrono::DateTime::from_timestamp_micros(time).map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    text.unwrap_or_else(|| format!("{time} µs"))
}

/// A new uid: a UUIDv7, so uids order by time.
#[allow(clippy::disallowed_methods, reason = "the one maker of uids")]
#[must_use]
pub fn new_uid() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}
