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

use super::{frames::Came, questions::Questions, stranger, unread::Unread};
use crate::{
    error::{Error, Whose},
    rpc::transport::{
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
    unread: Mutex<Unread>,
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
        let (questions, unread, last) = (AtomicUsize::new(0), Mutex::default(), Mutex::new(Instant::now()));
        Arc::new(Self { alive, questions, unread, most, waiting, next, last, place })
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
        let most = if self.is_known() { self.most } else { stranger::CALLS };
        self.alive.load(Ordering::SeqCst) <= most
    }

    /// Takes note of what has come and is taken; it may be read for more then.
    pub fn note(&self, change: impl FnOnce(&mut Unread)) {
        change(&mut self.unread.lock());
        self.waiting.wake();
    }

    /// More has come, and so many of the bytes are of a frame that goes on.
    pub fn came(&self, came: Came, of_a_part: usize) {
        self.unread.lock().came(came, of_a_part);
    }

    fn begin(self: &Arc<Self>) -> Call {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Call(Arc::clone(self))
    }

    /// Waits until there are few enough, and room for more of what they are sent.
    pub fn poll_few(&self, context: &mut Context<'_>, peer: Peer) -> Poll<()> {
        if self.poll_more(context, peer).is_ready() {
            return Poll::Ready(());
        }
        self.waiting.register(context.waker());
        // The last may have ended in between.
        self.poll_more(context, peer)
    }

    fn poll_more(&self, context: &mut Context<'_>, peer: Peer) -> Poll<()> {
        if !self.are_few() {
            return Poll::Pending;
        }
        let mut unread = self.unread.lock();
        if !self.is_known() {
            return if unread.is_little() { Poll::Ready(()) } else { Poll::Pending };
        }
        unread.poll_room(self.place.windows(), context, || self.place.tenant().unwrap_or_else(|| peer.tenant()))
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
    use crate::rpc::transport::{
        connection::{Taking, unread},
        places::Places,
    };

    /// Whether a connection that waits is read when that has been done.
    async fn is_read_after(calls: &Calls, what: impl FnOnce()) -> bool {
        let waits = std::future::poll_fn(|context| calls.poll_few(context, Peer::Unix));
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
        let come = |bytes| calls.came(Came { bytes, frames: 1 }, 0);
        come(1 << 20);
        assert!(is_read_after(&calls, || ()).await, "nobody is there who would take it");
        let taking = Taking::begin(&calls);
        come(unread::FREE);
        assert!(is_read_after(&calls, || ()).await);
        come(2);
        assert!(!is_read_after(&calls, || taking.took(1, false)).await);
        assert!(is_read_after(&calls, || taking.took(1, false)).await);
        come(1 << 20);
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
