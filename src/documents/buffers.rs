//! What unflushed writes take up, over all open databases: beyond a budget the
//! largest one is flushed, so that many collections written to at once cannot
//! take up the memory of each other's sum.

use std::collections::HashMap;

use parking_lot::Mutex;
use uuid::Uuid;

/// The buffers of all open databases. `D` is what can be flushed.
#[derive(Debug)]
pub(super) struct Buffers<D> {
    budget: usize,
    /// A database flushes itself at this size.
    self_flush: usize,
    open: Mutex<HashMap<Uuid, Buffer<D>>>,
}

#[derive(Debug)]
struct Buffer<D> {
    database: D,
    bytes: usize,
    flushing: bool,
}

impl<D: Clone> Buffers<D> {
    pub fn new(budget: usize, self_flush: usize) -> Self {
        Self { budget, self_flush, open: Mutex::default() }
    }

    /// Counts a database that was opened.
    pub fn open(&self, uid: Uuid, database: D) {
        self.open.lock().insert(uid, Buffer { database, bytes: 0, flushing: false });
    }

    /// Forgets a database that is closed.
    pub fn close(&self, uid: Uuid) {
        self.open.lock().remove(&uid);
    }

    /// Counts bytes written to a database; returns the one to flush, if it is
    /// time to.
    pub fn wrote(&self, uid: Uuid, bytes: usize) -> Option<(Uuid, D)> {
        let mut open = self.open.lock();
        if let Some(buffer) = open.get_mut(&uid) {
            buffer.bytes += bytes;
            if buffer.bytes >= self.self_flush {
                buffer.bytes %= self.self_flush;
            }
        }
        let total: usize = open.values().filter(|buffer| !buffer.flushing).map(|buffer| buffer.bytes).sum();
        if total <= self.budget {
            return None;
        }
        let idle = open.iter_mut().filter(|(_, buffer)| !buffer.flushing);
        let (uid, largest) = idle.max_by_key(|(_, buffer)| buffer.bytes)?;
        largest.flushing = true;
        Some((*uid, largest.database.clone()))
    }

    /// A flush that was asked for has ended.
    pub fn flushed(&self, uid: Uuid) {
        if let Some(buffer) = self.open.lock().get_mut(&uid) {
            (buffer.bytes, buffer.flushing) = (0, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_budget_the_largest_is_flushed() {
        let buffers = Buffers::new(100, 80);
        let [a, b] = [1, 2].map(Uuid::from_u128);
        buffers.open(a, "a");
        buffers.open(b, "b");
        assert_eq!(buffers.wrote(a, 60), None);
        assert_eq!(buffers.wrote(b, 40), None);
        assert_eq!(buffers.wrote(b, 1), Some((a, "a")));
        assert_eq!(buffers.wrote(b, 1), None, "a is being flushed");
        buffers.flushed(a);
        assert_eq!(buffers.wrote(b, 50), None, "b flushed itself");
        buffers.close(b);
        assert_eq!(buffers.wrote(b, 1000), None, "a late write of a closed one counts nowhere");
    }
}
