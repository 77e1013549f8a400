//! The totals of a collection (**D2**), kept by its writer, written in the batch
//! that changes them.
//!
//! Net change: a write adds its size to `changed_bytes`; if the entry it
//! replaces was itself written since the last cut, that one's size is taken off
//! first; a delete counts its id. So a document changed a hundred times between
//! two snapshots is billed once.

mod stored;

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    entry::Entry,
    intervals::{self, Interval},
    keys::{Bucket, ONLY_BUCKET},
    retention::Retention,
};
use crate::{clock::Micros, digest::Digest};

/// What a collection holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Documents.
    pub document_count: i64,
    /// Their bytes: id, body and 8 for the time.
    pub size_bytes: i64,
    /// Their digest.
    pub digest: Digest,
    /// Writes that changed the collection.
    pub offset: i64,
    /// Net bytes changed since `snapshot_offset`.
    pub changed_bytes: i64,
    /// The offset of the last cut.
    pub snapshot_offset: i64,
    /// Bounds of the event times since the collection was last empty.
    pub event_times: Option<(Micros, Micros)>,
    /// Cuts whose snapshots are not CREATED yet.
    pub pending: Vec<PendingCut>,
    /// How long documents are kept; absent: for ever.
    pub retention: Option<Retention>,
    /// Buckets below it are dropped, whether or not their files are gone.
    pub floor: Bucket,
    /// Documents with an earlier event time have expired. Never moves back.
    pub cutoff: Micros,
    /// With a retention: what each interval holds. One that is empty but not
    /// dropped stays, because its files do.
    pub intervals: BTreeMap<Bucket, Interval>,
    /// In a restored collection: the restore that adopted these totals.
    pub restore: Option<Uuid>,
    /// Batches with marks of sources: a change without a move of the offset.
    pub marks: i64,
}

/// Documents that a retention dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many.
    pub documents: i64,
    /// Their bytes.
    pub bytes: i64,
}

/// A cut that took `changed_bytes` along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingCut {
    /// The snapshot.
    pub snapshot: Uuid,
    /// What it took along.
    pub changed_bytes: i64,
}

impl Totals {
    /// Those of a new collection.
    #[must_use]
    pub fn empty(retention: Option<Retention>) -> Self {
        Self { retention, ..Self::default() }
    }

    /// Counts a document in and moves the offset. Returns its entry.
    pub fn put(&mut self, old: Option<&Entry>, digest: u128, size: i64, event_time: Micros) -> Entry {
        if let Some(old) = old {
            self.take_out(old);
        }
        self.offset += 1;
        let entry = Entry { digest, size, changed_at: self.offset, event_time };
        self.count(&entry);
        entry
    }

    /// Counts in a document that is there.
    pub fn count(&mut self, entry: &Entry) {
        let Entry { digest, size, changed_at, event_time } = *entry;
        self.document_count += 1;
        self.size_bytes += size;
        self.digest.add(digest);
        if changed_at > self.snapshot_offset {
            self.changed_bytes += size;
        }
        self.event_times = match self.event_times {
            Some((oldest, newest)) => Some((oldest.min(event_time), newest.max(event_time))),
            None => Some((event_time, event_time)),
        };
        if let Some(retention) = self.retention {
            let interval = self.intervals.entry(retention.bucket_of(event_time)).or_default();
            interval.put(retention, entry, self.snapshot_offset);
        }
    }

    /// Takes a document out and moves the offset.
    pub fn delete(&mut self, id: &str, old: &Entry) {
        self.take_out(old);
        self.offset += 1;
        self.changed_bytes += i64::try_from(id.len()).unwrap_or(i64::MAX);
    }

    /// Takes out a document that has expired: no write, no move of the offset.
    pub fn expire(&mut self, old: &Entry) {
        self.take_out(old);
    }

    fn take_out(&mut self, old: &Entry) {
        self.document_count -= 1;
        self.size_bytes -= old.size;
        self.digest.remove(old.digest);
        if old.changed_at > self.snapshot_offset {
            self.changed_bytes -= old.size;
        }
        if let Some(retention) = self.retention
            && let Some(interval) = self.intervals.get_mut(&retention.bucket_of(old.event_time))
        {
            interval.take_out(retention, old, self.snapshot_offset);
        }
        if self.document_count == 0 {
            self.event_times = None;
        }
    }

    /// The bucket of an event time.
    #[must_use]
    pub fn bucket_of(&self, time: Micros) -> Bucket {
        self.retention.map_or(ONLY_BUCKET, |retention| retention.bucket_of(time))
    }

    /// Whether a document of this event time has expired.
    #[must_use]
    pub fn hides(&self, event_time: Micros) -> bool {
        self.retention.is_some() && event_time < self.cutoff
    }

    /// Moves the cutoff to what it is now.
    pub fn move_cutoff(&mut self, now: Micros) {
        if let Some(retention) = self.retention {
            self.cutoff = self.cutoff.max(retention.cutoff(now));
        }
    }

    /// The first bucket that is not wholly before the cutoff.
    #[must_use]
    pub fn reached(&self) -> Bucket {
        self.bucket_of(self.cutoff)
    }

    /// When the oldest interval will have expired as a whole.
    #[must_use]
    pub fn next_due(&self) -> Option<Micros> {
        let (retention, (oldest, _)) = self.retention.zip(self.intervals.first_key_value())?;
        Some(retention.start_of(oldest.saturating_add(1)).saturating_add(retention.keep()))
    }

    /// Drops every interval that has expired as a whole; returns their buckets.
    pub fn drop_expired(&mut self) -> (Vec<Bucket>, Dropped) {
        let floor = self.reached();
        if self.intervals.keys().next().is_none_or(|oldest| *oldest >= floor) {
            return Default::default();
        }
        self.floor = floor;
        let kept = self.intervals.split_off(&floor);
        let gone = std::mem::replace(&mut self.intervals, kept);
        let mut dropped = Dropped::default();
        for interval in gone.values() {
            self.digest.remove(interval.digest.0);
            self.changed_bytes -= interval.changed_since(self.snapshot_offset);
            dropped.documents += interval.document_count;
            dropped.bytes += interval.size_bytes;
        }
        self.document_count -= dropped.documents;
        self.size_bytes -= dropped.bytes;
        let oldest = self.intervals.iter().find(|(_, interval)| interval.document_count > 0);
        self.event_times = match (self.event_times, self.retention, oldest) {
            (Some((oldest, newest)), Some(retention), Some((first, _))) => {
                Some((oldest.max(retention.start_of(*first)), newest))
            }
            _ => None,
        };
        (gone.into_keys().collect(), dropped)
    }

    /// Documents that have expired but still count, exact to a 1/1024 of the
    /// retention.
    #[must_use]
    pub fn expired_count(&self, now: Micros) -> i64 {
        let Some(retention) = self.retention else { return 0 };
        intervals::expired(&self.intervals, retention, self.cutoff.max(retention.cutoff(now)))
    }

    /// Cuts: from here on, change counts anew. Returns what the snapshot bills:
    /// never more than it holds, for that is what a first snapshot would cost.
    pub fn cut(&mut self, snapshot: Uuid) -> i64 {
        // A cut of this snapshot that a crash undid is part of this one.
        self.give_back(snapshot);
        let changed = self.changed_bytes;
        self.pending.push(PendingCut { snapshot, changed_bytes: changed });
        self.changed_bytes = 0;
        self.snapshot_offset = self.offset;
        changed.clamp(0, self.size_bytes)
    }

    /// The snapshot of a cut is CREATED.
    pub fn keep_cut(&mut self, snapshot: Uuid) {
        self.pending.retain(|cut| cut.snapshot != snapshot);
    }

    /// The snapshot of a cut came to nothing: the next one bills its change.
    pub fn give_back(&mut self, snapshot: Uuid) {
        let (back, rest) = std::mem::take(&mut self.pending).into_iter().partition(|cut| cut.snapshot == snapshot);
        self.pending = rest;
        let back: Vec<PendingCut> = back;
        self.changed_bytes += back.iter().map(|cut| cut.changed_bytes).sum::<i64>();
    }

    /// The totals of a collection that `restore` makes: the same documents and
    /// offset, all of them new to its first snapshot.
    #[must_use]
    pub fn as_restored(&self, restore: Uuid) -> Self {
        Self {
            changed_bytes: self.size_bytes,
            snapshot_offset: 0,
            pending: Vec::new(),
            intervals: self.intervals.iter().map(|(bucket, interval)| (*bucket, interval.as_restored())).collect(),
            restore: Some(restore),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::value, *};

    fn put(totals: &mut Totals, old: Option<Entry>, id: &str, body_len: usize) -> Entry {
        let size = value::size(id, body_len);
        totals.put(old.as_ref(), 1, size, 0)
    }

    #[test]
    fn a_document_changed_back_and_forth_is_billed_once() {
        let mut totals = Totals::default();
        let mut old = put(&mut totals, None, "a", 100);
        put(&mut totals, None, "b", 100);
        assert_eq!(totals.cut(Uuid::max()), totals.size_bytes, "all of it for the first");
        for round in 0..100 {
            old = put(&mut totals, Some(old), "a", 50 + round % 2);
        }
        assert_eq!(totals.cut(Uuid::nil()), value::size("a", 51));
        assert_eq!((totals.document_count, totals.offset), (2, 102));
    }

    #[test]
    fn a_document_that_came_and_went_costs_its_id_and_never_more_than_all() {
        let mut totals = Totals::default();
        put(&mut totals, None, "kept", 10);
        totals.cut(Uuid::max());
        for _ in 0..100 {
            let old = put(&mut totals, None, "x", 1000);
            totals.delete("x", &old);
        }
        assert_eq!(totals.changed_bytes, 100);
        assert_eq!(totals.cut(Uuid::nil()), totals.size_bytes, "clamped");
    }

    #[test]
    fn a_cut_that_came_to_nothing_is_billed_by_the_next() {
        let mut totals = Totals::default();
        put(&mut totals, None, "a", 100);
        let first = totals.cut(Uuid::from_u128(1));
        totals.give_back(Uuid::from_u128(1));
        assert_eq!(totals.cut(Uuid::from_u128(2)), first);
        totals.keep_cut(Uuid::from_u128(2));
        totals.give_back(Uuid::from_u128(2));
        assert_eq!(totals.cut(Uuid::from_u128(3)), 0);
    }

    /// A minute an interval.
    fn retained() -> Totals {
        Totals::empty(Some(Retention::new(32 * MINUTE)))
    }

    const MINUTE: Micros = 60_000_000;

    #[test]
    fn dropping_takes_out_what_an_interval_held_and_what_it_would_have_been_billed() {
        let mut totals = retained();
        totals.put(None, 1, 100, 0);
        totals.cut(Uuid::from_u128(1));
        totals.put(None, 2, 10, MINUTE - 1);
        totals.put(None, 4, 50, MINUTE);
        totals.move_cutoff(32 * MINUTE + MINUTE - 1);
        assert_eq!(totals.drop_expired(), (Vec::new(), Dropped::default()), "one microsecond is left");
        totals.move_cutoff(32 * MINUTE + MINUTE);
        let (buckets, dropped) = totals.drop_expired();
        assert_eq!((buckets.len(), dropped), (1, Dropped { documents: 2, bytes: 110 }));
        assert_eq!((totals.document_count, totals.size_bytes, totals.digest), (1, 50, Digest(4)));
        assert_eq!((totals.offset, totals.changed_bytes), (3, 50), "the rest is billed");
        assert_eq!(totals.event_times, Some((MINUTE, MINUTE)));
        totals.move_cutoff(0);
        assert_eq!(totals.cutoff, MINUTE, "it never moves back");
    }

    #[test]
    fn what_has_expired_is_counted_until_it_is_dropped() {
        let mut totals = retained();
        let now = 40 * MINUTE;
        for second in 0..60 {
            totals.put(None, 1, 10, 8 * MINUTE + second * 1_000_000);
        }
        assert_eq!(totals.next_due(), Some(now + MINUTE));
        assert_eq!(totals.expired_count(now), 0);
        assert_eq!(totals.expired_count(now + MINUTE / 2), 30);
        assert_eq!(totals.expired_count(now + MINUTE), 60);
    }

    #[test]
    fn a_document_that_moves_leaves_its_interval() {
        let mut totals = retained();
        let old = totals.put(None, 1, 10, 0);
        totals.put(Some(&old), 2, 20, 5 * MINUTE);
        let counts: Vec<_> = totals.intervals.values().map(|interval| interval.document_count).collect();
        assert_eq!(counts, [0, 1], "the empty one stays until it is dropped: it has files");
        assert_eq!((totals.document_count, totals.changed_bytes), (1, 20));
    }
}
