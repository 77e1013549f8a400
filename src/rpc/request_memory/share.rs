//! A budget of bytes, and what one request has of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::error::Error;

/// Requests up to here do not count: each takes as much in any case. So large writes
/// keep out neither reads nor operators.
const UNCOUNTED: usize = 8 << 10;
/// Calls end in an instant, mostly.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes to be shared.
pub struct Budget {
    used: AtomicUsize,
    bytes: usize,
}

impl Budget {
    /// So many of them.
    pub fn of(bytes: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), bytes })
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.bytes);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let busy = |_| Error::Busy { what: "bytes of requests", limit: self.bytes, retry_after: RETRY_AFTER };
        taken.map(drop).map_err(busy)
    }
}

/// What one request has of it; given back at its end.
pub struct Share {
    budget: Arc<Budget>,
    held: Mutex<usize>,
}

impl Share {
    /// Nothing yet.
    pub fn none_of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), held: Mutex::new(0) }
    }

    /// Makes it at least so many bytes.
    pub fn raise(&self, bytes: usize) -> Result<(), Error> {
        let mut held = self.held.lock();
        if bytes > UNCOUNTED && bytes > *held {
            self.budget.take(bytes - *held)?;
            *held = bytes;
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(*self.held.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_as_it_was_taken() {
        let budget = Budget::of(20 << 10);
        let (a, b) = (Share::none_of(&budget), Share::none_of(&budget));
        a.raise(UNCOUNTED).unwrap();
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        a.raise(10 << 10).unwrap();
        a.raise(9 << 10).unwrap();
        b.raise(10 << 10).unwrap();
        b.raise((10 << 10) + 1).unwrap_err();
        assert_eq!(budget.used.load(Ordering::Relaxed), 20 << 10);
        drop(a);
        b.raise((10 << 10) + 1).unwrap();
        drop(b);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
