//! What the states of records say to those who hold on to them.

use super::{RestoreState, SnapshotState};

impl SnapshotState {
    /// Whether its data is gone, or never was.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Expired | Self::Deleted)
    }
}

impl RestoreState {
    /// Whether it has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}
