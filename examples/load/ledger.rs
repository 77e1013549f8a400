//! What must be true of every document after a crash.
//!
//! One ledger belongs to one stream of writes and its own documents, so the
//! versions of a document ascend in the order of sending. After a crash a
//! document may have the version that was acknowledged last, or a newer one that
//! was sent since the last crash, and nothing else: not an older one (a lost
//! write), not one that an earlier crash had already taken away.

use std::collections::VecDeque;

use crate::{Result, check, documents::Target, random::Random};

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The last version known to be durable; 0 for none.
    durable: u32,
    /// The last version sent.
    sent: u32,
    /// `sent` at the last crash: versions up to it can no longer arrive.
    settled: u32,
    /// The version that the present scan found; 0 for none.
    found: u32,
}

impl Entry {
    const fn may_have(self, version: u32) -> bool {
        if version == self.durable {
            return true;
        }
        version > self.durable && version > self.settled && version <= self.sent
    }
}

pub struct Ledger {
    part: u64,
    parts: u64,
    /// By place: document `part + place * parts`.
    entries: Vec<Entry>,
    /// Messages sent and not acknowledged, oldest first.
    in_flight: VecDeque<Vec<Target>>,
    /// Counts the crashes, so that a sender from before one is told apart.
    epoch: u64,
    /// Writes acknowledged since the last crash.
    acknowledged: u64,
}

/// What one stream made of a round.
#[derive(Clone, Copy, Default)]
pub struct Round {
    pub acknowledged: u64,
    /// Sent, not acknowledged.
    pub open: u64,
}

impl Ledger {
    pub const fn new(part: u64, parts: u64) -> Self {
        Self { part, parts, entries: Vec::new(), in_flight: VecDeque::new(), epoch: 0, acknowledged: 0 }
    }

    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The next message with new documents.
    pub fn add(&mut self, batch: usize) -> Vec<Target> {
        let places = self.entries.len()..self.entries.len() + batch;
        self.entries.resize(places.end, Entry::default());
        self.dispatch(places)
    }

    /// The next message with overwrites of random documents.
    pub fn overwrite(&mut self, batch: usize, random: &mut Random) -> Vec<Target> {
        let known = self.entries.len() as u64;
        let places: Vec<usize> = (0..batch).map(|_| random.below(known) as usize).collect();
        self.dispatch(places)
    }

    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn dispatch(&mut self, places: impl IntoIterator<Item = usize>) -> Vec<Target> {
        let mut targets = Vec::new();
        for place in places {
            self.entries[place].sent += 1;
            targets.push((self.part + place as u64 * self.parts, u64::from(self.entries[place].sent)));
        }
        self.in_flight.push_back(targets.clone());
        targets
    }

    /// The oldest message in flight is durable.
    pub fn acknowledge(&mut self) -> Result<()> {
        let targets = self.in_flight.pop_front().ok_or("an acknowledgement of nothing")?;
        self.acknowledged += targets.len() as u64;
        for (index, version) in targets {
            let place = self.place(index);
            self.entries[place].durable = version as u32;
        }
        Ok(())
    }

    /// The server is dead and will acknowledge nothing any more.
    pub fn crash(&mut self) -> Round {
        let open = self.in_flight.iter().map(|targets| targets.len() as u64).sum();
        self.in_flight.clear();
        self.epoch += 1;
        Round { acknowledged: std::mem::take(&mut self.acknowledged), open }
    }

    /// The scan after a crash has come upon a document.
    pub fn find(&mut self, (index, version): Target) -> Result<()> {
        let place = self.place(index);
        let entry = self.entries.get_mut(place).ok_or_else(|| format!("document {index} was never sent"))?;
        let version = u32::try_from(version)?;
        check(version > 0 && entry.may_have(version), || {
            format!(
                "document {index} has version {version}, but {} was durable, and {} to {} were in flight",
                entry.durable,
                entry.settled + 1,
                entry.sent,
            )
        })?;
        entry.found = version;
        Ok(())
    }

    /// The scan is over. What it has not found must never have been durable;
    /// what it has found is durable from now on, since nobody reads what a crash
    /// could take back. Returns on how many documents an unacknowledged write had
    /// landed.
    pub fn settle(&mut self) -> Result<u64> {
        let mut landed = 0;
        for (place, entry) in self.entries.iter_mut().enumerate() {
            let index = self.part + place as u64 * self.parts;
            check(entry.found > 0 || entry.durable == 0, || {
                format!("document {index} is missing: version {} was durable", entry.durable)
            })?;
            landed += u64::from(entry.found > entry.durable);
            entry.durable = std::mem::take(&mut entry.found);
            entry.settled = entry.sent;
        }
        Ok(landed)
    }

    const fn place(&self, index: u64) -> usize {
        (index / self.parts) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two documents: version 1 of both acknowledged, version 2 of both open.
    fn crashed() -> Ledger {
        let mut ledger = Ledger::new(0, 1);
        ledger.add(2);
        ledger.acknowledge().unwrap();
        ledger.dispatch([0, 1]);
        ledger.crash();
        ledger
    }

    #[test]
    fn open_writes_may_have_landed_or_not() {
        let mut ledger = crashed();
        ledger.find((0, 1)).unwrap();
        ledger.find((1, 2)).unwrap();
        assert_eq!(ledger.settle().unwrap(), 1);
    }

    #[test]
    fn a_lost_document_is_noticed() {
        let mut ledger = crashed();
        ledger.find((0, 1)).unwrap();
        ledger.settle().unwrap_err();
    }

    #[test]
    fn a_version_never_sent_is_noticed() {
        crashed().find((0, 3)).unwrap_err();
        crashed().find((2, 1)).unwrap_err();
    }

    #[test]
    fn what_a_scan_found_may_not_go_back() {
        let mut ledger = crashed();
        ledger.find((0, 2)).unwrap();
        ledger.find((1, 1)).unwrap();
        ledger.settle().unwrap();
        ledger.find((0, 1)).unwrap_err();
    }

    #[test]
    fn a_write_that_one_crash_took_may_not_come_back_after_the_next() {
        let mut ledger = crashed();
        ledger.find((0, 1)).unwrap();
        ledger.find((1, 1)).unwrap();
        ledger.settle().unwrap();
        ledger.dispatch([0]);
        ledger.crash();
        ledger.find((0, 2)).unwrap_err();
        ledger.find((0, 3)).unwrap();
    }
}
