//! Turns of large messages to be unpacked and read.
//!
//! That takes a CPU for long, and memory of many times the bytes that came. So there are as
//! few at once as there are CPUs, in turns by tenant, and each on a thread that the runtime
//! gives up for it: others run on meanwhile, health checks first of all.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread::available_parallelism,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::{
    error::Error,
    share::{Budget, Share},
    tasks::in_place,
};

/// Requests up to here do not count: each takes as much in any case. So large writes
/// keep out neither reads nor operators.
pub const UNCOUNTED: usize = 8 << 10;
/// Messages of so many bytes are large.
const LARGE: usize = 128 << 10;

/// How many have their turn at once.
pub fn at_once() -> usize {
    available_parallelism().map_or(2, usize::from).max(2)
}

/// What a request has in memory; among its extensions.
#[derive(Debug)]
pub struct Memory {
    share: Share,
    turns: Arc<Budget>,
    turn: Mutex<Option<Share>>,
}

impl Memory {
    /// Nothing yet.
    pub fn new(share: Share, turns: &Arc<Budget>) -> Self {
        Self { share, turns: Arc::clone(turns), turn: Mutex::default() }
    }

    /// Makes it at least so many bytes.
    pub fn raise(&self, bytes: usize) -> Result<(), Error> {
        if bytes > UNCOUNTED { self.share.raise(bytes) } else { Ok(()) }
    }

    fn has_turn(&self) -> bool {
        self.turn.lock().is_some()
    }
}

/// Waits for the turn of a message.
#[derive(Default)]
pub struct Waiting(Option<BoxFuture<'static, Share>>);

impl Waiting {
    /// Ready when a message may be given on: at once if it is small, or else in the poll of
    /// [`OffWorkers`] behind the one in which its turn has come.
    pub fn poll(&mut self, context: &mut Context<'_>, memory: &Arc<Memory>, bytes: usize, is_packed: bool) -> Poll<()> {
        if (bytes < LARGE && !is_packed) || memory.has_turn() {
            return Poll::Ready(());
        }
        let turn = self.0.get_or_insert_with(|| {
            let memory = Arc::clone(memory);
            Box::pin(async move { memory.turns.wait(memory.share.tenant(), 1).await })
        });
        let turn = ready!(turn.as_mut().poll(context));
        self.0 = None;
        *memory.turn.lock() = Some(turn);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Work on a request, which leaves the runtime's threads to others while it has a turn.
pub struct OffWorkers<F> {
    memory: Arc<Memory>,
    work: Pin<Box<F>>,
}

impl<F> OffWorkers<F> {
    /// What is done with a request.
    pub fn new(memory: Arc<Memory>, work: F) -> Self {
        Self { memory, work: Box::pin(work) }
    }
}

impl<F: Future> Future for OffWorkers<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { memory, work } = &mut *self;
        if !memory.has_turn() {
            return work.as_mut().poll(context);
        }
        let polled = in_place(|| work.as_mut().poll(context));
        // Whatever is still to be done waits for something, and is small.
        memory.turn.lock().take();
        polled
    }
}
