//! Turns to compute for long: few at once of a kind in the whole server, by workspace and key.

use std::sync::Arc;

use super::{Budget, Division, Share, Tenant};

/// As many at most, however many cores there are: what each holds in memory adds up.
const MOST: usize = 4;

/// The turns. Clones share them.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Budget>);

impl Default for Turns {
    /// Half of the cores, so that the others are there for all else.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of((cores / 2).clamp(1, MOST))
    }
}

impl Turns {
    /// So many.
    #[must_use]
    pub fn of(count: usize) -> Self {
        Self(Budget::new("turns to compute", Division::of(count)))
    }

    /// Waits for one.
    pub async fn take(&self, tenant: &Tenant) -> Share {
        self.0.wait(tenant, 1).await
    }
}
