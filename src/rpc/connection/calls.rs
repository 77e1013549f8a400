//! The calls of a connection that are alive.
//!
//! A client that opens streams and resets them at once has no more of them open than it may,
//! but each was begun here and ends a moment later. Its connection is not read while too many
//! are left, and keeps its place until the last has ended: neither going on nor coming back
//! makes more of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use hyper::rt::Executor;
use tokio::sync::OwnedSemaphorePermit;

/// How many calls of a connection are alive.
#[derive(Debug)]
pub struct Calls {
    alive: AtomicUsize,
    most: usize,
    /// Of the connection that waits for some to end.
    waiting: AtomicWaker,
    _place: OwnedSemaphorePermit,
}

/// Runs the calls of a connection.
#[derive(Clone, Debug)]
pub struct CallTasks(pub Arc<Calls>);

/// One of them.
struct Call(Arc<Calls>);

impl Calls {
    /// Of a connection in a place, which is read as long as there are no more than so many.
    pub fn new(most: usize, place: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self { alive: AtomicUsize::new(0), most, waiting: AtomicWaker::new(), _place: place })
    }

    fn begin(self: &Arc<Self>) -> Call {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Call(Arc::clone(self))
    }

    /// Waits until there are few enough.
    pub fn poll_few(&self, context: &Context<'_>) -> Poll<()> {
        let are_few = || self.alive.load(Ordering::SeqCst) <= self.most;
        if are_few() {
            return Poll::Ready(());
        }
        self.waiting.register(context.waker());
        // The last may have ended in between.
        if are_few() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.alive.fetch_sub(1, Ordering::SeqCst) == self.0.most + 1 {
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
        tokio::spawn(async move {
            call.await;
            drop(counted);
        });
    }
}
