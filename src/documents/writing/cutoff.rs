//! What readers may not see any more.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::{
    clock::{Clock, Micros},
    documents::{retention::Retention, totals::Totals, value::StoredDocument},
};

/// Documents with an earlier event time are hidden from readers: now less the
/// retention. It never moves back, whatever the clock does.
#[derive(Debug)]
pub struct Cutoff {
    retention: Option<Retention>,
    latest: AtomicI64,
    clock: Clock,
}

impl Cutoff {
    /// That of a collection that is being opened.
    #[must_use]
    pub fn new(totals: &Totals, clock: Clock) -> Self {
        Self { retention: totals.retention, latest: AtomicI64::new(totals.cutoff), clock }
    }

    /// The retention, and the cutoff by it at this moment.
    #[must_use]
    pub fn now(&self) -> Option<(Retention, Micros)> {
        let retention = self.retention?;
        let cutoff = retention.cutoff(self.clock.now());
        Some((retention, self.latest.fetch_max(cutoff, Ordering::AcqRel).max(cutoff)))
    }

    /// The totals are about to have this cutoff: from now on readers have no earlier one,
    /// whether or not anybody reads. Counts and scans would differ.
    pub fn raise(&self, cutoff: Micros) {
        self.latest.fetch_max(cutoff, Ordering::AcqRel);
    }

    /// A document that has been read, if it has not expired at this moment.
    #[must_use]
    pub fn unless_expired(&self, document: StoredDocument) -> Option<StoredDocument> {
        let has_expired = self.now().is_some_and(|(_, cutoff)| document.event_time() < cutoff);
        (!has_expired).then_some(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3_600_000_000;

    #[test]
    fn readers_are_never_behind_the_totals() {
        let clock = Clock::default();
        let mut totals = Totals::empty(Some(Retention::new(HOUR)));
        let cutoff = Cutoff::new(&totals, clock.clone());
        totals.move_cutoff(clock.now() + HOUR);
        assert!(cutoff.now().unwrap().1 < totals.cutoff);
        cutoff.raise(totals.cutoff);
        assert_eq!(cutoff.now().unwrap().1, totals.cutoff);
        cutoff.raise(0);
        assert_eq!(cutoff.now().unwrap().1, totals.cutoff);
    }
}
