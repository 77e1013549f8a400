//! The room for what connections have been sent and no call has taken, beyond the little that
//! each may have anyway.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::share::{Budget, Division, Share, Tenant};

/// What HTTP/2 lets a client send on a connection ahead of its being taken.
pub const CONNECTION_BYTES: u32 = 4 << 20;
/// What is granted to a connection at once.
pub const GRANT: usize = 128 << 10;
/// What all connections may have of that.
const TOTAL: usize = 64 << 20;

/// The room of all. Clones share it.
#[derive(Clone, Debug)]
pub struct Windows(Arc<Budget>);

impl Default for Windows {
    fn default() -> Self {
        Self::of(TOTAL)
    }
}

impl Windows {
    /// So many bytes.
    pub fn of(bytes: usize) -> Self {
        Self(Budget::new("bytes of windows", Division::of(bytes / GRANT)))
    }

    /// Waits for the next grant.
    pub fn grant(&self, tenant: Tenant) -> BoxFuture<'static, Share> {
        let budget = Arc::clone(&self.0);
        Box::pin(async move { budget.wait(&tenant, 1).await })
    }

    /// Whether anybody has a grant.
    #[cfg(test)]
    pub fn are_used(&self) -> bool {
        self.0.is_used()
    }
}
