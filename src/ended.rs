//! Ended things are shown for a while, for want of room only the newest of them.

use crate::clock::Micros;

/// Counts what has ended, and knows the oldest that may be forgotten.
pub struct Oldest<T> {
    kept: usize,
    count: usize,
    oldest: Option<(Micros, T)>,
}

impl<T> Oldest<T> {
    /// So many are kept.
    pub fn of(kept: usize) -> Self {
        Self { kept, count: 0, oldest: None }
    }

    /// Takes one. Of one that has not let go of everything its record is still needed.
    pub fn add(&mut self, end_time: Micros, released: bool, found: T) {
        self.count += 1;
        if released && self.oldest.as_ref().is_none_or(|(oldest, _)| end_time < *oldest) {
            self.oldest = Some((end_time, found));
        }
    }

    /// The one that must go so that there is a place for another.
    pub fn surplus(self) -> Option<T> {
        self.oldest.filter(|_| self.count >= self.kept).map(|(_, found)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surplus(kept: usize, ended: &[(Micros, bool)]) -> Option<Micros> {
        let mut oldest = Oldest::of(kept);
        for (end_time, released) in ended {
            oldest.add(*end_time, *released, *end_time);
        }
        oldest.surplus()
    }

    #[test]
    fn the_oldest_goes_when_there_are_enough() {
        assert_eq!(surplus(3, &[(7, true), (5, true)]), None);
        assert_eq!(surplus(3, &[(7, true), (5, true), (6, true)]), Some(5));
    }

    #[test]
    fn one_that_still_holds_something_stays() {
        assert_eq!(surplus(3, &[(7, true), (5, false), (6, true)]), Some(6));
        assert_eq!(surplus(1, &[(5, false)]), None);
    }
}
