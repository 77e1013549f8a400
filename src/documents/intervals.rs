//! What each clustering interval holds, so that a whole one can be dropped
//! without reading it.

use std::collections::BTreeMap;

use super::{entry::Entry, keys::Bucket, retention::Retention};
use crate::{
    clock::Micros,
    damage::{self, Damage},
    digest::Digest,
    stored,
};

/// Parts of an interval whose documents are counted apart, to tell how many of
/// the interval that the cutoff falls into have expired.
const SLICES: usize = 32;

/// What one interval holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Documents.
    pub document_count: i64,
    /// Their bytes.
    pub size_bytes: i64,
    /// Their digest.
    pub digest: Digest,
    /// Bytes of those written since the cut at `snapshot_offset`.
    changed_bytes: i64,
    snapshot_offset: i64,
    /// Documents in each part.
    slices: [i64; SLICES],
}

impl Interval {
    /// Counts a document in; `since` is the offset of the last cut.
    pub fn put(&mut self, retention: Retention, entry: &Entry, since: i64) {
        self.document_count += 1;
        self.size_bytes += entry.size;
        self.digest.add(entry.digest);
        self.slices[retention.slice_of(entry.event_time, SLICES)] += 1;
        if entry.changed_at > since {
            self.changed_bytes = self.changed_since(since) + entry.size;
            self.snapshot_offset = since;
        }
    }

    /// Counts a document out.
    pub fn take_out(&mut self, retention: Retention, entry: &Entry, since: i64) {
        self.document_count -= 1;
        self.size_bytes -= entry.size;
        self.digest.remove(entry.digest);
        self.slices[retention.slice_of(entry.event_time, SLICES)] -= 1;
        if entry.changed_at > since {
            self.changed_bytes = self.changed_since(since) - entry.size;
            self.snapshot_offset = since;
        }
    }

    /// Bytes of the documents written since the cut at `since`. A cut need not
    /// touch every interval to count anew.
    pub fn changed_since(&self, since: i64) -> i64 {
        if self.snapshot_offset == since { self.changed_bytes } else { 0 }
    }

    /// The same documents, all of them new to the first snapshot.
    pub fn as_restored(&self) -> Self {
        Self { changed_bytes: self.size_bytes, snapshot_offset: 0, ..self.clone() }
    }

    /// What several hold together; `since` is the offset of the last cut.
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self>, since: i64) -> Self {
        let mut sum = Self { snapshot_offset: since, ..Self::default() };
        for interval in all {
            // Damaged totals may say anything.
            sum.document_count = sum.document_count.saturating_add(interval.document_count);
            sum.size_bytes = sum.size_bytes.saturating_add(interval.size_bytes);
            sum.digest.add(interval.digest.0);
            sum.changed_bytes = sum.changed_bytes.saturating_add(interval.changed_since(since));
            for (slice, more) in sum.slices.iter_mut().zip(&interval.slices) {
                *slice = slice.saturating_add(*more);
            }
        }
        sum
    }

    fn count_before(&self, slice: usize) -> i64 {
        all(self.slices[..slice].iter().copied())
    }
}

/// Documents that have expired: exact to a part of the interval that the cutoff
/// falls into.
pub fn expired(intervals: &BTreeMap<Bucket, Interval>, retention: Retention, cutoff: Micros) -> i64 {
    let reached = retention.bucket_of(cutoff);
    let whole = all(intervals.range(..reached).map(|(_, interval)| interval.document_count));
    let part = intervals.get(&reached).map_or(0, |interval| interval.count_before(retention.slice_of(cutoff, SLICES)));
    whole.saturating_add(part)
}

/// The sum. Damaged totals may say anything, and are only shown here.
fn all(counts: impl Iterator<Item = i64>) -> i64 {
    counts.fold(0, i64::saturating_add)
}

impl Interval {
    /// The stored form.
    pub fn to_stored(&self, bucket: Bucket) -> stored::Interval {
        stored::Interval {
            bucket,
            document_count: self.document_count,
            size_bytes: self.size_bytes,
            digest: self.digest.0.to_le_bytes().to_vec(),
            changed_bytes: self.changed_bytes,
            snapshot_offset: self.snapshot_offset,
            slices: self.slices.to_vec(),
        }
    }

    /// Reads the stored form.
    pub fn read(stored: &stored::Interval) -> Result<Self, Damage> {
        Ok(Self {
            document_count: stored.document_count,
            size_bytes: stored.size_bytes,
            digest: damage::digest("interval.digest", &stored.digest)?,
            changed_bytes: stored.changed_bytes,
            snapshot_offset: stored.snapshot_offset,
            slices: stored.slices.as_slice().try_into().map_err(|_| Damage("interval.slices"))?,
        })
    }
}
