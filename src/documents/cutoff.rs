//! What readers may not see any more.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{retention::Retention, totals::Totals, value::StoredDocument};
use crate::clock::{Clock, Micros};

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

    /// A document that has been read, if it has not expired at this moment.
    #[must_use]
    pub fn unless_expired(&self, document: StoredDocument) -> Option<StoredDocument> {
        let has_expired = self.now().is_some_and(|(_, cutoff)| document.event_time() < cutoff);
        (!has_expired).then_some(document)
    }
}
