//! How many streams a client may reset.
//!
//! Lively clients cancel all that they have open at once, again and again, and let calls of a
//! few milliseconds run out by the thousand. A flood of resets is many times quicker.

use std::time::Duration;

use tokio::time::Instant;

use super::stranger;

/// Resets in a row, for each stream that may be open.
const IN_A_ROW: u64 = 32;
/// And for as long as it likes, each second.
const A_SECOND: u64 = 16;

/// What a client has left.
#[derive(Debug)]
pub struct Resets {
    streams: u64,
    left: u64,
    since: Instant,
}

impl Resets {
    /// Of a connection that may have so many streams.
    pub fn new(streams: u32) -> Self {
        let streams = u64::from(streams);
        Self { streams, left: streams * IN_A_ROW, since: Instant::now() }
    }

    /// Counts resets, of a client that is known or not. Returns whether they are a flood.
    pub fn count(&mut self, resets: u64, is_known: bool) -> bool {
        let a_second = if is_known { A_SECOND } else { stranger::RESETS_A_SECOND };
        let milliseconds = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let more = milliseconds.saturating_mul(self.streams * a_second) / 1000;
        if more > 0 {
            self.since += Duration::from_millis(milliseconds);
            self.left = self.left.saturating_add(more).min(self.streams * IN_A_ROW);
        }
        let is_flood = resets > self.left;
        self.left = self.left.saturating_sub(resets);
        is_flood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lively_clients_may_go_on_and_floods_may_not() {
        let mut resets = Resets::new(1024);
        // All streams, ten times a second, for a minute; then all that waited for two seconds.
        for _ in 0..600 {
            assert!(!resets.count(1024, true));
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!(!resets.count(20 * 1024, true));
        // As quick as it can.
        let mut resets = Resets::new(1024);
        let mut count = 0;
        while !resets.count(1000, true) {
            count += 1000;
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!((32 * 1024..64 * 1024).contains(&count), "{count}");
        // A stranger, as quick as it is read.
        let mut resets = Resets::new(1024);
        while !resets.count(100, false) {
            tokio::time::advance(Duration::from_millis(10)).await;
        }
    }
}
