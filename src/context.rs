//! What every part of the domain is built on.

use crate::{clock::Clock, documents::Store, records::Records, tasks::Tasks, workspace::Workspaces};

/// The parts that the others share. Clones are the same.
#[derive(Clone)]
pub struct Context {
    /// What is known of everything but documents.
    pub records: Records,
    /// The databases.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Background work.
    pub tasks: Tasks,
    /// Workspaces, and their gates.
    pub workspaces: Workspaces,
}
