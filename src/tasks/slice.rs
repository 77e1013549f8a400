//! How long a task computes in one go.

use std::time::Duration;

use tokio::time::Instant;

/// Then others have their turn on its thread: a deadline, a disconnect or a stop is seen only
/// where a task gives way.
pub const SLICE: Duration = Duration::from_millis(5);

/// One of them.
pub struct Slice(Instant);

impl Slice {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now())
    }

    /// Whether it is time for others.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.elapsed() >= SLICE
    }

    /// Lets others run, and begins the next one.
    pub async fn give_way(&mut self) {
        tokio::task::yield_now().await;
        self.0 = Instant::now();
    }
}
