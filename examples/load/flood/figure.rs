//! How long calls took that are made at a steady pace, and which failed.

use std::{collections::BTreeMap, time::Duration};

use super::answers::listed;

#[derive(Default)]
pub struct Figure {
    latencies: Vec<Duration>,
    failures: BTreeMap<String, u64>,
}

impl Figure {
    /// A call that took longer than the pace has kept others from being made. They are
    /// counted as if they had waited for its end: else a server that hangs for ten seconds
    /// has one slow call among a thousand.
    pub fn took(&mut self, mut latency: Duration, pace: Duration) {
        self.latencies.push(latency);
        while latency > pace {
            latency -= pace;
            self.latencies.push(latency);
        }
    }

    pub fn failed(&mut self, reason: String) {
        *self.failures.entry(reason).or_default() += 1;
    }

    pub fn count(&self) -> usize {
        self.latencies.len()
    }

    pub fn worst(&self) -> Duration {
        self.latencies.iter().max().copied().unwrap_or_default()
    }

    /// The latency that 99 of 100 calls keep.
    pub fn tail(&self) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 99 / 100).or(sorted.last()).copied().unwrap_or_default()
    }

    pub fn failures(&self) -> u64 {
        self.failures.values().sum()
    }

    pub fn told(&self) -> String {
        listed(&self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_as_all_the_calls_that_it_held_up() {
        let (ms, mut figure) = (Duration::from_millis, Figure::default());
        (0..900).for_each(|_| figure.took(ms(1), ms(20)));
        figure.took(ms(2_000), ms(20));
        assert_eq!((figure.worst(), figure.count()), (ms(2_000), 1_000));
        assert!(figure.tail() > ms(1_500));
    }
}
