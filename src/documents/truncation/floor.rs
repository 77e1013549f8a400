//! Below which bucket files may go.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::documents::keys::Bucket;

/// Below which bucket segments may be drained: below the durable floor, but not
/// while a cut is under way whose totals still hold them. Its checkpoint is
/// written later than its totals are copied, and would miss them: a snapshot is
/// either before a drop or after it, never between.
#[derive(Debug, Default)]
pub struct Floor {
    durable: AtomicU64,
    cuts: Mutex<Cuts>,
}

#[derive(Debug, Default)]
struct Cuts {
    next: u64,
    floors: HashMap<u64, Bucket>,
}

/// A cut whose checkpoint is not durable yet.
#[derive(Debug)]
pub struct CutGuard {
    floor: Arc<Floor>,
    cut: u64,
}

impl Floor {
    /// A floor became durable.
    pub fn raise(&self, floor: Bucket) {
        self.durable.fetch_max(floor, Ordering::AcqRel);
    }

    /// A cut begins whose totals hold everything from `floor` on.
    pub fn hold(self: &Arc<Self>, floor: Bucket) -> CutGuard {
        let mut cuts = self.cuts.lock();
        let cut = cuts.next;
        cuts.next += 1;
        cuts.floors.insert(cut, floor);
        CutGuard { floor: Arc::clone(self), cut }
    }

    /// Segments below this may go now.
    pub fn drainable(&self) -> Bucket {
        // In this order: a cut below a floor began before that floor was durable.
        let durable = self.durable.load(Ordering::Acquire);
        self.cuts.lock().floors.values().copied().fold(durable, Bucket::min)
    }
}

impl Drop for CutGuard {
    fn drop(&mut self) {
        self.floor.cuts.lock().floors.remove(&self.cut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_under_way_keeps_what_its_totals_hold() {
        let floor = Arc::new(Floor::default());
        floor.raise(5);
        let cut = floor.hold(5);
        floor.raise(8);
        assert_eq!(floor.drainable(), 5);
        let later = floor.hold(8);
        drop(cut);
        assert_eq!(floor.drainable(), 8);
        drop(later);
        floor.raise(7);
        assert_eq!(floor.drainable(), 8, "it never moves back");
    }
}
