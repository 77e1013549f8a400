//! An open database, as far as its buffer is concerned.

use slatedb::{
    Db, DbStatus,
    config::{FlushOptions, FlushType},
};
use tokio::sync::watch;

use super::Flushed;

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

    /// Flushes what it has in memory.
    pub async fn flush(&self) -> Result<(), slatedb::Error> {
        self.db.flush_with_options(FlushOptions { flush_type: FlushType::MemTable }).await
    }
}

impl Flushed for Database {
    fn flushed_to(&self) -> u64 {
        self.status.borrow().current_manifest.last_l0_seq()
    }
}
