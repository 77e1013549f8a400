//! Ended things are shown for a while, for want of room only the newest of them.

use crate::clock::Micros;

/// How many go at most for one that comes: where there are far too many, they soon
/// become fewer, and nobody waits for it.
const AT_ONCE: usize = 16;

/// Counts what has ended, and knows the oldest that may be forgotten.
pub struct Oldest<T> {
    kept: usize,
    count: usize,
    oldest: Vec<(Micros, T)>,
}

impl<T> Oldest<T> {
    /// So many are kept.
    pub fn of(kept: usize) -> Self {
        Self { kept, count: 0, oldest: Vec::with_capacity(AT_ONCE + 1) }
    }

    /// Takes one. Of one that has not let go of everything its record is still needed.
    pub fn add(&mut self, end_time: Micros, released: bool, found: T) {
        self.count += 1;
        if released {
            let place = self.oldest.partition_point(|(older, _)| *older <= end_time);
            if place < AT_ONCE {
                self.oldest.insert(place, (end_time, found));
                self.oldest.truncate(AT_ONCE);
            }
        }
    }

    /// Those that must go so that there is a place for another.
    pub fn surplus(self) -> impl Iterator<Item = T> {
        let surplus = (self.count + 1).saturating_sub(self.kept);
        self.oldest.into_iter().take(surplus).map(|(_, found)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surplus(kept: usize, ended: impl IntoIterator<Item = (Micros, bool)>) -> Vec<Micros> {
        let mut oldest = Oldest::of(kept);
        for (end_time, released) in ended {
            oldest.add(end_time, released, end_time);
        }
        oldest.surplus().collect()
    }

    #[test]
    fn the_oldest_goes_when_there_are_enough() {
        assert!(surplus(3, [(7, true), (5, true)]).is_empty());
        assert_eq!(surplus(3, [(7, true), (5, true), (6, true)]), [5]);
    }

    #[test]
    fn one_that_still_holds_something_stays() {
        assert_eq!(surplus(3, [(7, true), (5, false), (6, true)]), [6]);
        assert!(surplus(1, [(5, false)]).is_empty());
    }

    #[test]
    fn where_there_are_too_many_they_become_fewer() {
        assert_eq!(surplus(3, [(9, true), (7, true), (5, true), (6, true), (8, true)]), [5, 6, 7]);
        let many = (0..100).rev().map(|end_time| (end_time, true));
        assert_eq!(surplus(3, many), (0..16).collect::<Vec<_>>());
    }
}
