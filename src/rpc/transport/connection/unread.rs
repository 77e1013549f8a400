//! What has come of a connection's requests and no call has taken.
//!
//! HTTP/2 gives every connection a window, which a client may fill whatever its calls do. So
//! what is in it counts: each connection may have a little there, and more as long as there is
//! room for it among those of all connections. A connection without that room is not read.

use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::frames::Came;
use crate::{
    rpc::transport::windows::{CONNECTION_BYTES, GRANT, Windows},
    share::{Share, Tenant},
};

/// What each connection may have there anyway, and all that one may have on which nobody has
/// been let in.
pub const FREE: usize = 64 << 10;
/// What a frame counts at least: it keeps the buffer that it was read into, whatever else was
/// there.
const FRAME_BYTES: usize = 8 << 10;
/// What a connection counts at most. HTTP/2 lets no more than a window's bytes be there, and
/// what seems to be more was dropped unseen; small frames rarely keep a buffer each.
const MOST: usize = CONNECTION_BYTES as usize;

/// How far the request of a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Something of it may be there.
    Coming,
    /// Nothing is there: it was looked for, and nothing has come since.
    Hungry,
    /// All of it was taken, or nobody wants it any more.
    Ended,
}

/// What a connection has there.
#[derive(Default)]
pub struct Unread {
    bytes: usize,
    frames: usize,
    /// Bytes of a frame that has not come to its end: no call sees them.
    of_a_part: usize,
    /// Requests that have not ended.
    coming: usize,
    /// Those of them for which nothing is there.
    hungry: usize,
    granted: Vec<Share>,
    waiting: Option<BoxFuture<'static, Share>>,
}

impl Unread {
    /// A request begins to come.
    pub fn begin(&mut self) {
        self.coming += 1;
    }

    /// More has come, and so many of the bytes are of a frame that goes on.
    pub fn came(&mut self, came: Came, of_a_part: usize) {
        self.of_a_part = of_a_part;
        // If there is none, nobody would ever take it.
        if self.coming > 0 {
            self.bytes += came.bytes;
            self.frames += came.frames;
        }
    }

    /// A request has taken something, and has come so far.
    pub fn take(&mut self, taken: Came, from: Stage, to: Stage) {
        self.bytes = self.bytes.saturating_sub(taken.bytes);
        self.frames = self.frames.saturating_sub(taken.frames);
        if from != Stage::Ended {
            self.hungry -= usize::from(from == Stage::Hungry);
            self.hungry += usize::from(to == Stage::Hungry);
            self.coming -= usize::from(to == Stage::Ended);
        }
        self.settle();
    }

    /// Gives back what was granted and is not needed. What came for requests that had ended was
    /// dropped unseen; that it is not there shows when nothing is there for any other.
    fn settle(&mut self) {
        if self.hungry == self.coming {
            self.bytes = if self.coming == 0 { 0 } else { self.of_a_part.min(self.bytes) };
            self.frames = 0;
        }
        let needed = self.needed();
        self.granted.truncate(needed);
        if self.granted.len() == needed {
            self.waiting = None;
        }
    }

    /// What it counts.
    fn charge(&self) -> usize {
        self.bytes.max(self.frames * FRAME_BYTES).min(MOST)
    }

    fn needed(&self) -> usize {
        self.charge().saturating_sub(FREE).div_ceil(GRANT)
    }

    /// Whether a stranger may send more.
    pub fn is_little(&self) -> bool {
        self.charge() <= FREE
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

    const NOTHING: Came = Came { bytes: 0, frames: 0 };

    fn bytes(bytes: usize) -> Came {
        Came { bytes, frames: 0 }
    }

    fn frames(frames: usize) -> Came {
        Came { bytes: frames, frames }
    }

    fn has_room(unread: &mut Unread, windows: &Windows, key: &str) -> bool {
        let tenant = || Tenant::new("commons", Some(key));
        unread.poll_room(windows, &mut Context::from_waker(Waker::noop()), tenant).is_ready()
    }

    /// Of a connection with a request that has taken nothing yet.
    fn of(came: Came) -> Unread {
        let mut unread = Unread::default();
        unread.begin();
        unread.came(came, 0);
        unread
    }

    fn take(unread: &mut Unread, taken: Came) {
        unread.take(taken, Stage::Coming, Stage::Coming);
    }

    #[test]
    fn a_connection_has_a_little_and_more_while_there_is_room() {
        let windows = Windows::of(16 * GRANT);
        let mut connections: Vec<_> = (0..20).map(|_| of(bytes(FREE))).collect();
        assert!(connections.iter_mut().all(|unread| has_room(unread, &windows, "a")));
        for unread in &mut connections {
            unread.came(bytes(1), 0);
        }
        let with_room = connections.iter_mut().filter_map(|unread| has_room(unread, &windows, "a").then_some(()));
        // Three quarters of three quarters.
        assert_eq!(with_room.count(), 9);
        assert!(has_room(&mut of(bytes(FREE + 1)), &windows, "b"), "another key's comes out of the rest");
        // What one takes, another may have.
        take(&mut connections[0], bytes(1));
        assert!(has_room(&mut connections[9], &windows, "a"));
        assert!(!has_room(&mut connections[10], &windows, "a"));
        assert!(has_room(&mut connections[0], &windows, "a"), "it needs none");
    }

    #[test]
    fn more_grants_are_for_more_bytes() {
        let windows = Windows::of(4 * GRANT);
        let mut unread = of(bytes(FREE + 3 * GRANT));
        assert!(has_room(&mut unread, &windows, "a"));
        unread.came(bytes(1), 0);
        assert!(!has_room(&mut unread, &windows, "a"), "a share of four is three");
        take(&mut unread, bytes(1));
        assert!(has_room(&mut unread, &windows, "a"));
        unread.take(NOTHING, Stage::Coming, Stage::Ended);
        assert!(!windows.are_used());
    }

    #[test]
    fn small_frames_count_as_what_they_keep() {
        let windows = Windows::of(1 << 30);
        let mut unread = of(frames(FREE / FRAME_BYTES));
        assert!(unread.is_little());
        unread.came(frames(1), 0);
        assert!(!unread.is_little());
        assert!(has_room(&mut unread, &windows, "a"));
        assert_eq!(unread.granted.len(), 1);
        unread.came(frames(1 << 20), 0);
        assert!(has_room(&mut unread, &windows, "a"));
        assert_eq!(unread.granted.len(), (MOST - FREE).div_ceil(GRANT));
    }

    #[test]
    fn what_was_dropped_unseen_is_forgotten_when_nothing_is_there_for_others() {
        let mut unread = of(bytes(FREE + 1));
        unread.begin();
        unread.take(NOTHING, Stage::Coming, Stage::Ended);
        assert!(!unread.is_little());
        unread.take(NOTHING, Stage::Coming, Stage::Hungry);
        assert!(unread.is_little());
        // But not while some may be there, nor what no request can see yet.
        unread.came(bytes(2 * FREE), 0);
        unread.take(bytes(1), Stage::Hungry, Stage::Coming);
        assert!(!unread.is_little());
        unread.came(bytes(FREE + 1), FREE + 1);
        unread.take(NOTHING, Stage::Coming, Stage::Hungry);
        assert!(!unread.is_little());
        unread.came(bytes(1), 0);
        unread.take(NOTHING, Stage::Hungry, Stage::Coming);
        unread.take(NOTHING, Stage::Coming, Stage::Hungry);
        assert!(unread.is_little());
    }

    #[test]
    fn more_than_the_window_was_dropped_unseen() {
        let windows = Windows::of(1 << 30);
        let mut unread = of(bytes(1 << 30));
        assert!(has_room(&mut unread, &windows, "a"));
        assert_eq!(unread.granted.len(), (CONNECTION_BYTES as usize - FREE).div_ceil(GRANT));
    }

    #[test]
    fn what_comes_for_nobody_counts_for_nothing() {
        let mut unread = Unread::default();
        unread.came(bytes(FREE + 1), 0);
        assert!(unread.is_little());
        unread.begin();
        unread.came(bytes(FREE + 1), 0);
        assert!(!unread.is_little());
        unread.take(NOTHING, Stage::Coming, Stage::Ended);
        assert!(unread.is_little());
    }
}
