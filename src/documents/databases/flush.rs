//! Flushes databases whose buffers have become large.

use std::sync::Arc;

use super::{
    buffers::{Database, Ticket},
    store::Store,
};

impl Store {
    /// Flushes a database if one has been chosen; nobody waits for it here.
    pub(in crate::documents) fn flush(&self, chosen: Option<(Ticket, Database)>) {
        let Some((ticket, database)) = chosen else { return };
        let buffers = Arc::clone(&self.buffers);
        self.tasks.work("flush", async move {
            let flushed = database.flush().await;
            if let Err(error) = &flushed {
                tracing::debug!(%error, "a buffer was not flushed; its owner will see why");
            }
            buffers.flushed(ticket, flushed.is_ok());
        });
    }
}
