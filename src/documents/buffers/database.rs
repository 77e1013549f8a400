//! An open database, as far as its buffer is concerned.

use std::sync::Arc;

use slatedb::{
    Db, DbStatus,
    config::{FlushOptions, FlushType},
};
use tokio::sync::watch;

use super::{Flushed, Ticket};
use crate::documents::store::Store;

/// A database that can be flushed.
#[derive(Clone)]
pub struct Database {
    db: Db,
    status: watch::Receiver<DbStatus>,
}

impl Database {
    pub fn new(db: Db) -> Self {
        Self { status: db.subscribe(), db }
    }

    /// The last write that its log has brought back into memory, if there is one.
    pub fn replayed(&self) -> Option<u64> {
        let last = self.status.borrow().durable_seq;
        (last > self.flushed_to()).then_some(last)
    }
}

impl Flushed for Database {
    fn flushed_to(&self) -> u64 {
        self.status.borrow().current_manifest.last_l0_seq()
    }
}

impl Store {
    /// Flushes a database if one has been chosen; nobody waits for it here.
    pub(in crate::documents) fn flush(&self, chosen: Option<(Ticket, Database)>) {
        let Some((ticket, database)) = chosen else { return };
        let buffers = Arc::clone(&self.buffers);
        self.tasks.work("flush", async move {
            let memtable = FlushOptions { flush_type: FlushType::MemTable };
            let flushed = database.db.flush_with_options(memtable).await;
            if let Err(error) = &flushed {
                tracing::debug!(%error, "a buffer was not flushed; its owner will see why");
            }
            buffers.flushed(ticket, flushed.is_ok());
        });
    }
}
