//! The totals of a collection (**D2**), kept by its writer, written in the batch
//! that changes them.
//!
//! Net change: a write adds its size to `changed_bytes`; if the entry it
//! replaces was itself written since the last cut, that one's size is taken off
//! first; a delete counts its id. So a document changed a hundred times between
//! two snapshots is billed once.

use prost::Message;
use uuid::Uuid;

use crate::{clock::Micros, digest::Digest, error::Error, metadata, stored};

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
}

/// What the totals need to know of an entry that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its digest.
    pub digest: u128,
    /// What it counts for.
    pub size: i64,
    /// The offset of the write that made it.
    pub changed_at: i64,
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
    /// Counts a document in and moves the offset; `digest` and `size` are its.
    pub fn put(&mut self, old: Option<Entry>, digest: u128, size: i64, event_time: Micros) {
        self.take_out(old);
        self.document_count += 1;
        self.size_bytes += size;
        self.digest.add(digest);
        self.offset += 1;
        self.changed_bytes += size;
        self.event_times = match self.event_times {
            Some((oldest, newest)) => Some((oldest.min(event_time), newest.max(event_time))),
            None => Some((event_time, event_time)),
        };
    }

    /// Takes a document out and moves the offset.
    pub fn delete(&mut self, id: &str, old: Entry) {
        self.take_out(Some(old));
        self.offset += 1;
        self.changed_bytes += i64::try_from(id.len()).unwrap_or(i64::MAX);
        if self.document_count == 0 {
            self.event_times = None;
        }
    }

    fn take_out(&mut self, old: Option<Entry>) {
        let Some(Entry { digest, size, changed_at }) = old else { return };
        self.document_count -= 1;
        self.size_bytes -= size;
        self.digest.remove(digest);
        if changed_at > self.snapshot_offset {
            self.changed_bytes -= size;
        }
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

    /// The totals of a restored collection: the same documents and offset, all
    /// of them new to its first snapshot.
    #[must_use]
    pub fn as_restored(&self) -> Self {
        Self { changed_bytes: self.size_bytes, snapshot_offset: 0, pending: Vec::new(), ..self.clone() }
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        stored::Totals::from(self.clone()).encode_to_vec()
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(stored::Totals::decode(bytes)?.into())
    }
}

impl From<Totals> for stored::Totals {
    fn from(totals: Totals) -> Self {
        let Totals { document_count, size_bytes, digest, offset, changed_bytes, snapshot_offset, event_times, pending } =
            totals;
        Self {
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
        }
    }
}

impl From<stored::Totals> for Totals {
    fn from(totals: stored::Totals) -> Self {
        let mut digest = [0; 16];
        if totals.digest.len() == digest.len() {
            digest.copy_from_slice(&totals.digest);
        }
        Self {
            document_count: totals.document_count,
            size_bytes: totals.size_bytes,
            digest: Digest(u128::from_le_bytes(digest)),
            offset: totals.offset,
            changed_bytes: totals.changed_bytes,
            snapshot_offset: totals.snapshot_offset,
            event_times: totals.oldest_event_time.zip(totals.newest_event_time),
            pending: totals
                .pending_cuts
                .iter()
                .map(|cut| PendingCut { snapshot: metadata::uid(&cut.snapshot_uid), changed_bytes: cut.changed_bytes })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::value, *};

    fn put(totals: &mut Totals, old: Option<Entry>, id: &str, body_len: usize) -> Entry {
        let size = value::size(id, body_len);
        totals.put(old, 1, size, 0);
        Entry { digest: 1, size, changed_at: totals.offset }
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
            totals.delete("x", old);
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

    #[test]
    fn totals_read_back_as_they_were_stored() {
        let mut totals = Totals::default();
        put(&mut totals, None, "a", 100);
        totals.cut(Uuid::from_u128(1));
        assert_eq!(Totals::decode(&totals.encode()).unwrap(), totals);
    }
}
