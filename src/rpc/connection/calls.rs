//! The calls of a connection that are alive.
//!
//! A client that opens streams and resets them at once has no more of them open than it may,
//! but each was begun here and ends a moment later. Its connection is not read while too many
//! are left, and keeps its place until the last has ended: neither going on nor coming back
//! makes more of them. Until its client has been let in there may be few at all.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{questions::Questions, stranger};
use crate::{
    error::{Error, Whose},
    rpc::{
        delivery::{Delivery, Overdue, delivery},
        peer::Peer,
        places::Place,
    },
    share::{Share, Tenant},
};

/// Questions that need no key (health checks, their watches, reflection) at once.
const QUESTIONS: usize = 128;
/// One more than that ends in an instant, mostly.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How many calls of a connection are alive.
pub struct Calls {
    alive: AtomicUsize,
    /// Those of them that need no key.
    questions: AtomicUsize,
    /// Requests that are still being taken.
    coming: AtomicUsize,
    /// Bytes that a stranger has sent to them and they have not taken.
    unread: AtomicUsize,
    most: usize,
    /// Of the connection that waits for some to end.
    waiting: AtomicWaker,
    /// Of the call that is about to be run.
    next: Mutex<Option<Overdue>>,
    /// When there was a call.
    last: Mutex<Instant>,
    place: Place,
}

/// Runs the calls of a connection.
#[derive(Clone)]
pub struct CallTasks(pub Arc<Calls>);

/// One of them.
struct Call(Arc<Calls>);

/// The connection of a call; among the extensions of its request.
#[derive(Clone)]
pub struct OnConnection(Arc<Calls>);

impl OnConnection {
    /// Its client has been let in, so it may have as many calls as anybody; unless its tenant
    /// has too many connections.
    pub fn let_in(&self, tenant: Option<&Tenant>) -> Result<(), Error> {
        self.0.place.keep(tenant)?;
        // It may be read for more.
        self.0.waiting.wake();
        Ok(())
    }

    /// One more question of a client, unless its connection has as many as it may have, or its
    /// tenant has of those of all connections.
    pub fn ask(&self, all: &Questions, peer: Peer) -> Result<Question, Error> {
        let limit = if self.0.is_known() { QUESTIONS } else { stranger::QUESTIONS };
        let asked = Asked::of(&self.0);
        if self.0.questions.load(Ordering::SeqCst) > limit {
            let (what, whose) = ("calls of health and reflection on a connection", Whose::Server);
            return Err(Error::Busy { what, limit, whose, retry_after: RETRY_AFTER });
        }
        let of_all = all.take(&self.0.place, peer)?;
        Ok(Question(Arc::new((asked, of_all))))
    }
}

/// A question that is alive, to the last byte of its answer; among the extensions of its
/// request. Clones are the same.
#[derive(Clone)]
pub struct Question(#[allow(dead_code, reason = "counts by being there")] Arc<(Asked, Share)>);

/// Counts one of a connection.
struct Asked(Arc<Calls>);

impl Asked {
    fn of(calls: &Arc<Calls>) -> Self {
        calls.questions.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(calls))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.questions.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Calls {
    /// Of a connection in a place, which is read as long as there are no more than so many.
    pub fn new(most: usize, place: Place) -> Arc<Self> {
        let (alive, waiting, next) = (AtomicUsize::new(0), AtomicWaker::new(), Mutex::default());
        let (questions, coming, unread) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let last = Mutex::new(Instant::now());
        Arc::new(Self { alive, questions, coming, unread, most, waiting, next, last, place })
    }

    /// A call is about to be run: where it says that its answer waits, and where it runs. The
    /// implementation of HTTP/2 makes a call and hands it to be run in one go.
    pub fn announce(self: &Arc<Self>) -> (Delivery, OnConnection) {
        let (delivery, overdue) = delivery();
        *self.next.lock() = Some(overdue);
        *self.last.lock() = Instant::now();
        (delivery, OnConnection(Arc::clone(self)))
    }

    /// Waits until nobody has been let in for a while, and nobody asks anything.
    pub async fn forgotten(&self, patience: Duration) {
        loop {
            let last = *self.last.lock();
            tokio::time::sleep_until(last + patience).await;
            if self.is_known() {
                std::future::pending::<()>().await;
            }
            if self.alive.load(Ordering::SeqCst) > 0 {
                *self.last.lock() = Instant::now();
            } else if *self.last.lock() == last {
                return;
            }
        }
    }

    /// Waits until the place is somebody else's.
    pub async fn outdone(&self) {
        self.place.taken_away().cancelled_owned().await;
    }

    /// Whether somebody has been let in.
    pub fn is_known(&self) -> bool {
        self.place.is_kept()
    }

    /// Whether it may be read for more.
    fn are_few(&self) -> bool {
        let alive = self.alive.load(Ordering::SeqCst);
        if self.is_known() {
            return alive <= self.most;
        }
        alive <= stranger::CALLS && self.unread.load(Ordering::SeqCst) <= stranger::UNREAD_BYTES
    }

    /// A request begins to be taken.
    pub fn comes(&self) {
        self.coming.fetch_add(1, Ordering::SeqCst);
    }

    /// No more is taken of one. What was sent to it all the same nobody keeps.
    pub fn has_come(&self) {
        if self.coming.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.unread.store(0, Ordering::SeqCst);
        }
        self.waiting.wake();
    }

    /// So many bytes came for its calls. They count until somebody has been let in: then
    /// its windows are their bound; and only if there is a call that may take them, or
    /// nothing would ever be read again.
    pub fn came(&self, bytes: usize) {
        if bytes > 0 && !self.is_known() && self.coming.load(Ordering::SeqCst) > 0 {
            self.unread.fetch_add(bytes, Ordering::SeqCst);
        }
    }

    /// A call has taken so many of them.
    pub fn taken(&self, bytes: usize) {
        if self.is_known() {
            return;
        }
        let less = |unread: usize| Some(unread.saturating_sub(bytes));
        let _ = self.unread.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        self.waiting.wake();
    }

    fn begin(self: &Arc<Self>) -> Call {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Call(Arc::clone(self))
    }

    /// Waits until there are few enough.
    pub fn poll_few(&self, context: &Context<'_>) -> Poll<()> {
        if self.are_few() {
            return Poll::Ready(());
        }
        self.waiting.register(context.waker());
        // The last may have ended in between.
        if self.are_few() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
        if self.0.are_few() {
            self.0.waiting.wake();
        }
    }
}

impl<F> Executor<F> for CallTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[allow(clippy::disallowed_methods, reason = "a call ends when its connection has ended")]
    fn execute(&self, call: F) {
        // Counted from here on: it may wait for long before it runs for the first time.
        let counted = self.0.begin();
        let overdue = self.0.next.lock().take();
        tokio::spawn(async move {
            match overdue {
                Some(overdue) => tokio::select! {
                    biased;
                    _ = call => {}
                    () = overdue.wait() => {}
                },
                None => drop(call.await),
            }
            drop(counted);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::places::Places;

    /// Whether a connection that waits is read when that has been done.
    async fn is_read_after(calls: &Calls, what: impl FnOnce()) -> bool {
        let waits = std::future::poll_fn(|context| calls.poll_few(context));
        let both = async { tokio::join!(biased; waits, async { what() }) };
        tokio::time::timeout(Duration::from_secs(1), both).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_read_while_its_calls_are_few_and_whoever_was_let_in_is_for_more() {
        let calls = Calls::new(1000, Places::new(1).take().await);
        let mut alive: Vec<_> = (0..stranger::CALLS + 2).map(|_| calls.begin()).collect();
        assert!(!is_read_after(&calls, || drop(alive.pop())).await);
        assert!(is_read_after(&calls, || drop(alive.pop())).await);
        alive.push(calls.begin());
        assert!(!is_read_after(&calls, || ()).await);
        assert!(is_read_after(&calls, || OnConnection(Arc::clone(&calls)).let_in(None).unwrap()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_read_while_its_calls_take_what_it_sends() {
        let calls = Calls::new(1000, Places::new(1).take().await);
        calls.came(1 << 20);
        assert!(is_read_after(&calls, || ()).await, "nobody is there who would take it");
        let watch = calls.begin();
        calls.comes();
        calls.came(stranger::UNREAD_BYTES);
        assert!(is_read_after(&calls, || ()).await);
        calls.came(2);
        assert!(!is_read_after(&calls, || calls.taken(1)).await);
        assert!(is_read_after(&calls, || calls.taken(1)).await);
        calls.came(1 << 20);
        assert!(!is_read_after(&calls, || ()).await);
        // The call goes on, and takes no more.
        assert!(is_read_after(&calls, || calls.has_come()).await);
        calls.came(1 << 20);
        assert!(is_read_after(&calls, || ()).await);
        drop(watch);
        calls.comes();
        calls.came(1 << 20);
        assert!(!is_read_after(&calls, || ()).await);
        assert!(is_read_after(&calls, || OnConnection(Arc::clone(&calls)).let_in(None).unwrap()).await);
    }

    #[tokio::test]
    async fn the_questions_of_all_connections_are_counted_together() {
        let (all, places, peer) = (Questions::of(8, 8), Places::new(2), Peer::Unix);
        let connection = async || Calls::new(1000, places.take().await).announce().1;
        let (one, other) = (connection().await, connection().await);
        // Three quarters, which is fewer than a connection may have.
        let asked: Vec<_> = (0..6).map(|_| one.ask(&all, peer).unwrap()).collect();
        for connection in [&one, &other] {
            assert!(matches!(connection.ask(&all, peer), Err(Error::Busy { limit: 8, .. })));
        }
        drop(asked);
        // Those that were refused count no more.
        let asked: Vec<_> = (0..6).map(|_| other.ask(&all, peer).unwrap()).collect();
        drop(asked);
        let plenty = Questions::of(1000, 1000);
        let asked: Vec<_> = (0..stranger::QUESTIONS).map(|_| one.ask(&plenty, peer).unwrap()).collect();
        assert!(matches!(one.ask(&plenty, peer), Err(Error::Busy { limit: stranger::QUESTIONS, .. })));
        drop(asked);
    }
}
