//! The time that a database goes by.
//!
//! SlateDB counts on it never going back, not even over a stop: a write behind the last
//! tick that is stored fails, a file or a merge whose name is older than the newest is
//! refused. The wall clock is set, so a database gets a clock of its own.

use std::{pin::Pin, time::Duration};

use chrono::{DateTime, Utc};
use slatedb_common::clock::{SystemClock, SystemClockTicker};
use tokio::time::Instant;
use ulid::Ulid;

use crate::clock::Micros;

/// From the later of our time and the newest that the database has stored, on with the
/// time that passes.
#[derive(Debug)]
pub struct Ticks {
    base: DateTime<Utc>,
    since: Instant,
}

impl Ticks {
    /// Goes on from `newest`, if that is later than `now`.
    #[must_use]
    pub fn from(now: Micros, newest: Option<DateTime<Utc>>) -> Self {
        let now = DateTime::from_timestamp_micros(now).unwrap_or(DateTime::UNIX_EPOCH);
        Self { base: newest.map_or(now, |newest| newest.max(now)), since: Instant::now() }
    }
}

impl SystemClock for Ticks {
    fn now(&self) -> DateTime<Utc> {
        self.base + self.since.elapsed()
    }

    fn sleep<'a>(&'a self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn ticker(&self, duration: Duration) -> SystemClockTicker<'_> {
        SystemClockTicker::new(self, duration)
    }
}

/// When something was named.
pub(in crate::documents) fn time_of(id: Ulid) -> DateTime<Utc> {
    DateTime::from(id.datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_the_newest_that_is_stored() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        for (newest, expected) in [(None, 100), (Some(at(50)), 100), (Some(at(200)), 200)] {
            let ticks = Ticks::from(100_000_000, newest);
            assert_eq!(ticks.now(), at(expected));
            tokio::time::advance(Duration::from_secs(7)).await;
            assert_eq!(ticks.now(), at(expected + 7));
        }
    }
}
