//! What unflushed writes take up, over all open databases.
//!
//! Beyond a budget the largest database is flushed, so that many collections
//! written to at once do not take up the memory of each other's sum. While the
//! disk is slower than they are, what is being flushed piles up as well; at a
//! hard limit over all of it writers wait until there is room.
//!
//! A database says up to which of its writes it has been flushed; what came after
//! counts. It is asked only when something is scarce, so a lone writer pays
//! nothing for it.

mod database;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;

pub(in crate::documents) use self::database::Database;

/// Writes are counted in heaps of this size: there may be hundreds of thousands.
const HEAP_BYTES: usize = 1 << 20;
/// Until a writer that waits for room looks again: flushes that a database makes
/// by itself tell nobody.
pub(in crate::documents) const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A database that can be flushed.
pub(in crate::documents) trait Flushed: Clone {
    /// The last write that is in files.
    fn flushed_to(&self) -> u64;
}

/// An open database, as its owner knows it. One that is opened again is another.
pub(in crate::documents) type Ticket = u64;

/// The buffers of all open databases. `D` is what can be flushed.
#[derive(Debug)]
pub(in crate::documents) struct Buffers<D> {
    budget: usize,
    limit: usize,
    /// A database flushes itself at this size.
    self_flush: usize,
    state: Mutex<State<D>>,
}

#[derive(Debug)]
struct State<D> {
    open: HashMap<Ticket, Buffer<D>>,
    next: Ticket,
    /// All that is held.
    total: usize,
}

#[derive(Debug)]
struct Buffer<D> {
    database: D,
    /// Bytes for which no flush has begun, as far as that is known.
    fresh: usize,
    /// Bytes in memory, and those that are about to be.
    held: usize,
    /// The bytes of writes, with the last of each heap, the oldest first.
    heaps: VecDeque<(u64, usize)>,
    /// A flush was asked for and has not ended, or has failed: then another would
    /// fail, too, and its owner opens it again.
    asked: bool,
}

/// What became of a wish for room.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::documents) enum Room<D> {
    /// There is, and it is taken.
    Taken,
    /// There is none until something has been flushed: this, if nobody has asked
    /// for that.
    Full(Option<(Ticket, D)>),
}

impl<D: Flushed> Buffers<D> {
    pub fn new(budget: usize, self_flush: usize) -> Self {
        let state = State { open: HashMap::new(), next: 0, total: 0 };
        // Half as much again, for what is on its way to the disk.
        Self { budget, limit: budget + budget / 2, self_flush, state: Mutex::new(state) }
    }

    /// Counts a database that was opened. `replayed` is the last write that its log
    /// has brought back into memory, if there was one; how many bytes those are it
    /// does not say, but hardly more than it flushes at once.
    pub fn open(&self, database: D, replayed: Option<u64>) -> Ticket {
        let mut state = self.state.lock();
        let ticket = state.next;
        state.next += 1;
        let bytes = if replayed.is_some() { self.self_flush } else { 0 };
        let heaps = replayed.map(|last| (last, bytes)).into_iter().collect();
        state.total += bytes;
        state.open.insert(ticket, Buffer { database, fresh: bytes, held: bytes, heaps, asked: false });
        ticket
    }

    /// Forgets a database that is closed.
    pub fn close(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        if let Some(closed) = state.open.remove(&ticket) {
            state.total -= closed.held;
        }
    }

    /// Takes room for a write, if there is some.
    pub fn take(&self, ticket: Ticket, bytes: usize) -> Room<D> {
        let mut state = self.state.lock();
        if !state.open.contains_key(&ticket) {
            // Its write will fail; nobody is to wait for that.
            return Room::Taken;
        }
        if state.total + bytes > self.limit {
            state.settle();
        }
        // The largest write there can be is far smaller, but must not wait for ever.
        if state.total > 0 && state.total + bytes > self.limit {
            return Room::Full(state.ask_largest(|buffer| buffer.held));
        }
        let State { open, total, .. } = &mut *state;
        if let Some(buffer) = open.get_mut(&ticket) {
            buffer.held += bytes;
            *total += bytes;
        }
        Room::Taken
    }

    /// Counts a write for which room was taken; returns the database to flush, if
    /// it is time to.
    pub fn wrote(&self, ticket: Ticket, number: u64, bytes: usize) -> Option<(Ticket, D)> {
        let mut state = self.state.lock();
        let State { open, total, .. } = &mut *state;
        if let Some(buffer) = open.get_mut(&ticket) {
            match buffer.heaps.back_mut() {
                Some((last, heap)) if *heap + bytes <= HEAP_BYTES => (*last, *heap) = (number, *heap + bytes),
                _ => buffer.heaps.push_back((number, bytes)),
            }
            buffer.fresh += bytes;
            if buffer.fresh >= self.self_flush {
                buffer.fresh %= self.self_flush;
                // What it has flushed by itself need not be kept in mind.
                *total -= buffer.settle();
            }
        }
        let fresh: usize = open.values().filter(|buffer| !buffer.asked).map(|buffer| buffer.fresh).sum();
        if fresh > self.budget { state.ask_largest(|buffer| buffer.fresh) } else { None }
    }

    /// A flush that was asked for has ended.
    pub fn flushed(&self, ticket: Ticket, is_done: bool) {
        let mut state = self.state.lock();
        let State { open, total, .. } = &mut *state;
        if let Some(buffer) = open.get_mut(&ticket) {
            if is_done {
                (buffer.fresh, buffer.asked) = (0, false);
            }
            *total -= buffer.settle();
        }
    }
}

impl<D: Flushed> State<D> {
    /// Forgets what has been flushed.
    fn settle(&mut self) {
        let flushed: usize = self.open.values_mut().map(Buffer::settle).sum();
        self.total -= flushed;
    }

    fn ask_largest(&mut self, size: impl Fn(&Buffer<D>) -> usize) -> Option<(Ticket, D)> {
        let idle = self.open.iter_mut().filter(|(_, buffer)| !buffer.asked && size(buffer) > 0);
        let (ticket, largest) = idle.max_by_key(|(_, buffer)| size(buffer))?;
        largest.asked = true;
        Some((*ticket, largest.database.clone()))
    }
}

impl<D: Flushed> Buffer<D> {
    /// Forgets what has been flushed; returns how much that was.
    fn settle(&mut self) -> usize {
        let flushed_to = self.database.flushed_to();
        let mut bytes = 0;
        while let Some((_, heap)) = self.heaps.pop_front_if(|(last, _)| *last <= flushed_to) {
            bytes += heap;
        }
        self.held -= bytes;
        bytes
    }
}

#[cfg(test)]
mod tests;
