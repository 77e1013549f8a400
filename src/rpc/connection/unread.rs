//! What has come of a connection's requests and no call has taken.
//!
//! HTTP/2 gives every connection a window, which a client may fill whatever its calls do. So
//! what is in it counts: each connection may have a little there, and more as long as there is
//! room for it among those of all connections. A connection without that room is not read.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;

use crate::share::{Budget, Division, Share, Tenant};

/// What each connection may have there anyway, and all that one may have on which nobody has
/// been let in.
pub const FREE: usize = 64 << 10;
/// What is granted at once beyond that.
const GRANT: usize = 128 << 10;
/// What all connections may have beyond that.
const TOTAL: usize = 64 << 20;

/// The room for what is beyond [`FREE`]. Clones share it.
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
    fn grant(&self, tenant: Tenant) -> BoxFuture<'static, Share> {
        let budget = Arc::clone(&self.0);
        Box::pin(async move { budget.wait(&tenant, 1).await })
    }
}

/// What a connection has there.
#[derive(Default)]
pub struct Unread {
    bytes: usize,
    /// Those of them that are of a frame which has not come to its end: no call sees them.
    of_a_part: usize,
    /// Requests that are still being taken.
    coming: usize,
    /// Those of them that wait, for nothing is there.
    hungry: usize,
    granted: Vec<Share>,
    waiting: Option<BoxFuture<'static, Share>>,
}

impl Unread {
    /// A request begins to be taken.
    pub fn begin(&mut self) {
        self.coming += 1;
    }

    /// No more is taken of one.
    pub fn end(&mut self) {
        self.coming -= 1;
        self.settle();
    }

    /// A request has found nothing, and waits.
    pub fn starve(&mut self) {
        self.hungry += 1;
        self.settle();
    }

    /// It waits no longer.
    pub fn feed(&mut self) {
        self.hungry -= 1;
    }

    /// So much has come, and so much of it is of a frame that goes on.
    pub fn came(&mut self, bytes: usize, of_a_part: usize) {
        self.of_a_part = of_a_part;
        // Nobody would ever take it.
        if self.coming > 0 {
            self.bytes += bytes;
        }
    }

    /// A request has taken so much.
    pub fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.settle();
    }

    /// Gives back what was granted and is not needed. What came for requests that had ended was
    /// dropped unseen; that it is not there shows when nobody else has left anything.
    fn settle(&mut self) {
        if self.coming == 0 {
            self.bytes = 0;
        } else if self.hungry == self.coming {
            self.bytes = self.of_a_part.min(self.bytes);
        }
        let needed = self.needed();
        self.granted.truncate(needed);
        if self.granted.len() == needed {
            self.waiting = None;
        }
    }

    fn needed(&self) -> usize {
        self.bytes.saturating_sub(FREE).div_ceil(GRANT)
    }

    /// Whether a stranger may send more.
    pub fn is_little(&self) -> bool {
        self.bytes <= FREE
    }

    /// Waits for the room that is needed before more is read.
    pub fn poll_room(&mut self, windows: &Windows, context: &mut Context<'_>, tenant: impl Fn() -> Tenant) -> Poll<()> {
        while self.granted.len() < self.needed() {
            let waiting = self.waiting.get_or_insert_with(|| windows.grant(tenant()));
            let granted = std::task::ready!(waiting.as_mut().poll(context));
            self.waiting = None;
            self.granted.push(granted);
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn has_room(unread: &mut Unread, windows: &Windows, key: &str) -> bool {
        let tenant = || Tenant::new("commons", Some(key));
        unread.poll_room(windows, &mut Context::from_waker(Waker::noop()), tenant).is_ready()
    }

    /// Of a connection with a request that takes nothing.
    fn of(bytes: usize) -> Unread {
        let mut unread = Unread::default();
        unread.begin();
        unread.came(bytes, 0);
        unread
    }

    #[test]
    fn a_connection_has_a_little_and_more_while_there_is_room() {
        let windows = Windows::of(16 * GRANT);
        let mut connections: Vec<_> = (0..20).map(|_| of(FREE)).collect();
        assert!(connections.iter_mut().all(|unread| has_room(unread, &windows, "a")));
        connections.iter_mut().for_each(|unread| unread.came(1, 0));
        let with_room = connections.iter_mut().filter_map(|unread| has_room(unread, &windows, "a").then_some(()));
        // Three quarters of three quarters.
        assert_eq!(with_room.count(), 9);
        assert!(has_room(&mut of(FREE + 1), &windows, "b"), "another key's comes out of the rest");
        // What one takes, another may have.
        connections[0].take(1);
        assert!(has_room(&mut connections[9], &windows, "a"));
        assert!(!has_room(&mut connections[10], &windows, "a"));
        assert!(!has_room(&mut connections[0], &windows, "a") || connections[0].is_little());
    }

    #[test]
    fn more_grants_are_for_more_bytes() {
        let windows = Windows::of(4 * GRANT);
        let mut unread = of(FREE + 3 * GRANT);
        assert!(has_room(&mut unread, &windows, "a"));
        unread.came(1, 0);
        assert!(!has_room(&mut unread, &windows, "a"), "a share of four is three");
        unread.take(1);
        assert!(has_room(&mut unread, &windows, "a"));
        unread.end();
        assert!(!windows.0.is_used());
    }

    #[test]
    fn what_was_dropped_unseen_is_forgotten_when_all_that_is_left_is_hungry() {
        let mut unread = of(FREE + 1);
        unread.begin();
        unread.end();
        assert!(!unread.is_little());
        unread.starve();
        assert!(unread.is_little());
        // But not what no request can see yet.
        unread.feed();
        unread.came(FREE + 1, FREE + 1);
        unread.starve();
        assert!(!unread.is_little());
        unread.came(1, 0);
        unread.feed();
        unread.starve();
        assert!(unread.is_little());
    }

    #[test]
    fn what_comes_for_nobody_counts_for_nothing() {
        let mut unread = Unread::default();
        unread.came(FREE + 1, 0);
        assert!(unread.is_little());
        unread.begin();
        unread.came(FREE + 1, 0);
        assert!(!unread.is_little());
        unread.end();
        assert!(unread.is_little());
    }
}
