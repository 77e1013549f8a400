//! How long documents are kept, and how they are clustered by it.
//!
//! Two clocks: *visibility* goes by the event time against the cutoff, to the
//! microsecond; *accounting* goes by whole intervals against the floor.

use std::ops::RangeInclusive;

use super::keys::Bucket;
use crate::{clock::Micros, damage::Damage};

/// Intervals that a retention is divided into. With the future interval and
/// those that the cutoff and the sweeper leave open, there are never more than
/// about 35 segments.
const INTERVALS: i64 = 32;

/// A collection's retention: how long documents are kept, and the interval they
/// are clustered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    keep: Micros,
    interval: Micros,
}

impl Retention {
    /// Keeps documents so long, a positive span.
    #[must_use]
    pub fn new(keep: Micros) -> Self {
        Self { keep, interval: (keep / INTERVALS + Micros::from(keep % INTERVALS != 0)).max(1) }
    }

    /// As it was stored: 0 is none.
    pub fn read(keep: Micros, interval: Micros) -> Result<Option<Self>, Damage> {
        match (keep, interval) {
            (0, 0) => Ok(None),
            (1.., 1..) => Ok(Some(Self { keep, interval })),
            _ => Err(Damage("retention")),
        }
    }

    /// How long documents are kept.
    #[must_use]
    pub fn keep(&self) -> Micros {
        self.keep
    }

    /// The interval that documents are clustered by.
    #[must_use]
    pub fn interval(&self) -> Micros {
        self.interval
    }

    /// Documents with an earlier event time have expired.
    #[must_use]
    pub fn cutoff(&self, now: Micros) -> Micros {
        now.saturating_sub(self.keep)
    }

    /// The event times that may be written.
    #[must_use]
    pub fn window(&self, now: Micros, cutoff: Micros) -> RangeInclusive<Micros> {
        cutoff..=now.saturating_add(self.interval)
    }

    /// The interval of an event time. Intervals of negative times come first.
    #[must_use]
    pub fn bucket_of(&self, time: Micros) -> Bucket {
        time.div_euclid(self.interval).cast_unsigned() ^ SIGN
    }

    /// Where an interval begins.
    #[must_use]
    pub fn start_of(&self, bucket: Bucket) -> Micros {
        (bucket ^ SIGN).cast_signed().saturating_mul(self.interval)
    }

    /// Which of `slices` equal parts of its interval an event time is in.
    #[must_use]
    pub fn slice_of(&self, time: Micros, slices: usize) -> usize {
        let (into, interval) = (i128::from(time.rem_euclid(self.interval)), i128::from(self.interval));
        usize::try_from(into * slices as i128 / interval).unwrap_or(0).min(slices - 1)
    }
}

/// Turned, so that the bytes of negative numbers order before those of others.
const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_interval_holds_its_times_in_order(
            keep in 1..315_360_000_000_000_i64,
            time in -10_000_000_000_000_000..10_000_000_000_000_000_i64,
            later in 0..10_000_000_000_000_i64,
        ) {
            let retention = Retention::new(keep);
            let (bucket, next) = (retention.bucket_of(time), retention.bucket_of(time + later));
            let start = retention.start_of(bucket);
            prop_assert!(start <= time && time < start + retention.interval());
            prop_assert!(bucket <= next && bucket.to_be_bytes() <= next.to_be_bytes());
            prop_assert!(retention.slice_of(time, 32) < 32);
            prop_assert_eq!(retention.slice_of(start, 32), 0);
        }

        #[test]
        fn what_may_be_written_spans_few_intervals(keep in 1_000_000..315_360_000_000_000_i64, now in 0..1_i64 << 53) {
            let retention = Retention::new(keep);
            let window = retention.window(now, retention.cutoff(now));
            let buckets = retention.bucket_of(*window.end()) - retention.bucket_of(*window.start());
            prop_assert!(buckets <= 34, "{buckets}");
        }
    }

    #[test]
    fn it_is_stored_and_read_back() {
        let retention = Retention::new(3_600_000_000);
        assert_eq!(retention.interval(), 112_500_000);
        assert_eq!(Retention::read(retention.keep(), retention.interval()), Ok(Some(retention)));
        assert_eq!(Retention::read(0, 0), Ok(None));
        for (keep, interval) in [(1, 0), (0, 1), (-1, 1), (1, -1)] {
            assert_eq!(Retention::read(keep, interval), Err(Damage("retention")));
        }
    }
}
