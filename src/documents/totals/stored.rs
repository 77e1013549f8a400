//! The stored form of totals: one record in a database, with an entry of its
//! own for each interval, and one record with all of them in metadata.

use std::collections::BTreeMap;

use prost::Message;

use super::{PendingCut, Totals};
use crate::{
    damage::{self, Damage},
    documents::{intervals::Interval, keys::Bucket, retention::Retention},
    error::Error,
    stored,
};

impl Totals {
    /// The stored form in a database, where each interval has an entry of its own.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let alone = Self { intervals: BTreeMap::new(), pending: self.pending.clone(), ..*self };
        alone.into_stored().encode_to_vec()
    }

    /// The stored form of one interval in a database; `None` if there is none.
    #[must_use]
    pub fn encode_interval(&self, bucket: Bucket) -> Option<Vec<u8>> {
        self.intervals.get(&bucket).map(|interval| interval.to_stored(bucket).encode_to_vec())
    }

    /// Reads the stored form in a database, without the intervals.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(&stored::Totals::decode(bytes)?).map_err(|damage| damage.of("the totals of a collection"))
    }

    /// The offset alone, of totals in a database.
    pub fn offset_of(bytes: &[u8]) -> Result<i64, Error> {
        Ok(stored::Totals::decode(bytes)?.offset)
    }

    /// Reads one interval of a database.
    pub fn decode_interval(&mut self, bucket: Bucket, bytes: &[u8]) -> Result<(), Error> {
        let interval = Interval::read(&stored::Interval::decode(bytes)?);
        let interval = interval.map_err(|damage| damage.of("the totals of an interval"))?;
        self.intervals.insert(bucket, interval);
        Ok(())
    }
}

/// The form in a record, which has bounds. Cuts that are pending are the database's affair.
impl From<Totals> for stored::Totals {
    fn from(totals: Totals) -> Self {
        Totals { pending: Vec::new(), ..totals.with_expired_as_one() }.into_stored()
    }
}

impl Totals {
    /// The intervals before the cutoff as one, the last of them: they are dropped together.
    /// The others are few, whoever is late to drop them.
    fn with_expired_as_one(mut self) -> Self {
        let kept = self.intervals.split_off(&self.reached());
        let expired = std::mem::replace(&mut self.intervals, kept);
        if let Some(last) = expired.last_key_value().map(|(bucket, _)| *bucket) {
            self.intervals.insert(last, Interval::sum(expired.values(), self.snapshot_offset));
        }
        self
    }

    fn into_stored(self) -> stored::Totals {
        let Self {
            document_count,
            size_bytes,
            digest,
            offset,
            changed_bytes,
            snapshot_offset,
            event_times,
            pending,
            retention,
            floor,
            cutoff,
            intervals,
            restore,
            marks,
        } = self;
        stored::Totals {
            document_count,
            size_bytes,
            digest: digest.0.to_le_bytes().to_vec(),
            offset,
            changed_bytes,
            snapshot_offset,
            oldest_event_time: event_times.map(|(oldest, _)| oldest),
            newest_event_time: event_times.map(|(_, newest)| newest),
            pending_cuts: pending
                .into_iter()
                .map(|cut| stored::PendingCut {
                    snapshot_uid: cut.snapshot.as_bytes().to_vec(),
                    changed_bytes: cut.changed_bytes,
                })
                .collect(),
            retention: retention.map_or(0, |retention| retention.keep()),
            interval: retention.map_or(0, |retention| retention.interval()),
            floor,
            cutoff,
            intervals: intervals.iter().map(|(bucket, interval)| interval.to_stored(*bucket)).collect(),
            restore_uid: restore.map(|uid| uid.as_bytes().to_vec()).unwrap_or_default(),
            marks,
        }
    }
}

impl Totals {
    /// Reads the stored form, with the intervals if it is that of a record.
    pub fn read(stored: &stored::Totals) -> Result<Self, Damage> {
        let pending = |cut: &stored::PendingCut| {
            let snapshot = damage::uid("pending_cuts.snapshot_uid", &cut.snapshot_uid)?;
            Ok(PendingCut { snapshot, changed_bytes: cut.changed_bytes })
        };
        let interval = |interval: &stored::Interval| Ok((interval.bucket, Interval::read(interval)?));
        Ok(Self {
            document_count: stored.document_count,
            size_bytes: stored.size_bytes,
            digest: damage::digest("totals.digest", &stored.digest)?,
            offset: stored.offset,
            changed_bytes: stored.changed_bytes,
            snapshot_offset: stored.snapshot_offset,
            event_times: stored.oldest_event_time.zip(stored.newest_event_time),
            pending: stored.pending_cuts.iter().map(pending).collect::<Result<_, Damage>>()?,
            retention: Retention::read(stored.retention, stored.interval)?,
            floor: stored.floor,
            cutoff: stored.cutoff,
            intervals: stored.intervals.iter().map(interval).collect::<Result<_, Damage>>()?,
            restore: damage::uid_if_any("totals.restore_uid", &stored.restore_uid)?,
            marks: stored.marks,
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn filled() -> Totals {
        let mut totals = Totals::empty(Some(Retention::new(32_000_000)));
        totals.put(None, 7, 100, 5_000_000);
        totals.put(None, 8, 50, 6_100_000);
        totals.cut(Uuid::from_u128(1));
        totals.move_cutoff(33_000_000);
        totals
    }

    #[test]
    fn a_record_has_them_as_they_were_without_the_cuts_that_are_pending() {
        let totals = filled();
        let expected = Totals { pending: Vec::new(), ..totals.clone() };
        assert_eq!(Totals::read(&stored::Totals::from(totals)), Ok(expected));
    }

    /// Whoever is late to drop what has expired finds the same in a record, in one piece.
    #[test]
    fn a_record_has_few_intervals_however_many_have_expired() {
        let mut totals = Totals::empty(Some(Retention::new(32_000_000)));
        for n in 0..1_000 {
            let time = n * 1_000_000;
            totals.move_cutoff(time);
            totals.put(None, 1, 100 + n, time);
            if n == 500 {
                totals.cut(Uuid::from_u128(1));
            }
        }
        let mut read = Totals::read(&stored::Totals::from(totals.clone())).unwrap();
        assert_eq!((totals.intervals.len(), read.intervals.len()), (1_000, 34));
        for now in [999_000_000, 1_005_000_000] {
            assert_eq!(read.expired_count(now), totals.expired_count(now), "{now}");
            for totals in [&mut totals, &mut read] {
                totals.move_cutoff(now);
            }
            let (dropped, also) = (totals.drop_expired().1, read.drop_expired().1);
            assert_eq!(also, dropped, "{now}");
            assert_eq!(read, Totals { pending: Vec::new(), ..totals.clone() }, "{now}");
        }
    }

    #[test]
    fn a_database_has_the_intervals_beside_them() {
        let totals = filled();
        let mut read = Totals::decode(&totals.encode()).unwrap();
        assert!(read.intervals.is_empty());
        for bucket in totals.intervals.keys() {
            read.decode_interval(*bucket, &totals.encode_interval(*bucket).unwrap()).unwrap();
        }
        assert_eq!(read, totals);
    }
}
