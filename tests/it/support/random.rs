//! Random numbers that a failed run can be repeated with.

use std::time::Duration;

/// Numbers from a seed, which is printed: `STILLFRAME_TEST_SEED` gives it again.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn seeded() -> Self {
        let given = std::env::var("STILLFRAME_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
        eprintln!("STILLFRAME_TEST_SEED={seed}");
        Self(seed)
    }

    /// Numbers of their own, from the same seed.
    pub fn another(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }

    /// A number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// After 100 to 700 ms of load.
    pub fn moment(&mut self) -> Duration {
        Duration::from_millis(100 + self.below(600))
    }
}
