//! How a call takes its request, as its connection counts it.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::{
    calls::Calls,
    frames::Came,
    unread::{Stage, Unread},
};

/// The taking of one request.
pub struct Taking(Arc<Inner>);

struct Inner {
    calls: Arc<Calls>,
    /// Locked while [`Unread`] is.
    state: Mutex<State>,
    /// Of whoever waits for more.
    waker: AtomicWaker,
}

struct State {
    stage: Stage,
    /// Something has come since it was looked for.
    was_woken: bool,
}

impl Taking {
    /// A request begins to come.
    pub fn begin(calls: &Arc<Calls>) -> Self {
        calls.note(Unread::begin);
        let state = Mutex::new(State { stage: Stage::Coming, was_woken: false });
        Self(Arc::new(Inner { calls: Arc::clone(calls), state, waker: AtomicWaker::new() }))
    }

    /// Looks for more.
    pub fn poll<T>(&self, context: &Context<'_>, look: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.0.waker.register(context.waker());
        self.0.state.lock().was_woken = false;
        look(&mut Context::from_waker(&Waker::from(Arc::clone(&self.0))))
    }

    /// Nothing was there.
    pub fn found_nothing(&self) {
        self.0.note(|unread, state| {
            let now = if state.was_woken { Stage::Coming } else { Stage::Hungry };
            state.pass(unread, 0, now);
        });
    }

    /// So many bytes were there, and were taken.
    pub fn took(&self, bytes: usize, is_last: bool) {
        let now = if is_last { Stage::Ended } else { Stage::Coming };
        self.0.note(|unread, state| state.pass(unread, bytes, now));
    }

    /// No more is taken.
    pub fn end(&self) {
        self.0.note(|unread, state| state.pass(unread, 0, Stage::Ended));
    }

    /// Whether no more is taken.
    pub fn has_ended(&self) -> bool {
        self.0.state.lock().stage == Stage::Ended
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.end();
    }
}

impl State {
    fn pass(&mut self, unread: &mut Unread, bytes: usize, to: Stage) {
        let taken = Came { bytes, frames: usize::from(bytes > 0) };
        let from = self.stage;
        self.stage = if from == Stage::Ended { from } else { to };
        unread.take(taken, from, self.stage);
    }
}

impl Inner {
    fn note(&self, change: impl FnOnce(&mut Unread, &mut State)) {
        self.calls.note(|unread| change(unread, &mut self.state.lock()));
    }
}

impl Wake for Inner {
    /// Something has come, or never will.
    fn wake(self: Arc<Self>) {
        self.note(|unread, state| {
            state.was_woken = true;
            if state.stage == Stage::Hungry {
                state.pass(unread, 0, Stage::Coming);
            }
        });
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::transport::{connection::unread, places::Places};

    async fn calls() -> Arc<Calls> {
        Calls::new(1000, Places::new(1).take().await)
    }

    fn came(calls: &Calls, bytes: usize) {
        calls.came(Came { bytes, frames: 1 }, 0);
    }

    fn has_little(calls: &Calls) -> bool {
        let mut is_little = false;
        calls.note(|unread| is_little = unread.is_little());
        is_little
    }

    /// The waker that is given on when a request is looked for, and is not there.
    fn looked(taking: &Taking) -> Waker {
        let mut given = None;
        let polled = taking.poll(&Context::from_waker(Waker::noop()), |context| {
            given = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        given.unwrap()
    }

    #[tokio::test]
    async fn a_call_is_hungry_until_something_comes() {
        let calls = calls().await;
        let (one, other) = (Taking::begin(&calls), Taking::begin(&calls));
        let waker = looked(&one);
        one.found_nothing();
        came(&calls, unread::FREE + 1);
        waker.wake();
        other.found_nothing();
        assert!(!has_little(&calls), "it is there for the first, which has not looked again");
        one.took(1, false);
        assert!(has_little(&calls));
        came(&calls, 1);
        assert!(!has_little(&calls), "nothing was forgotten with what was taken");
        one.took(unread::FREE + 1, true);
        assert!(has_little(&calls) && one.has_ended() && !other.has_ended());
    }

    #[tokio::test]
    async fn what_comes_while_a_call_looks_is_not_overlooked() {
        let calls = calls().await;
        let taking = Taking::begin(&calls);
        let waker = looked(&taking);
        came(&calls, unread::FREE + 1);
        waker.wake();
        taking.found_nothing();
        assert!(!has_little(&calls));
        looked(&taking);
        taking.found_nothing();
        assert!(has_little(&calls));
    }

    #[tokio::test]
    async fn a_call_that_ends_ends_once() {
        let calls = calls().await;
        let (one, other) = (Taking::begin(&calls), Taking::begin(&calls));
        let waker = looked(&one);
        one.found_nothing();
        one.end();
        waker.wake();
        one.found_nothing();
        one.took(1, true);
        drop(one);
        came(&calls, unread::FREE + 1);
        assert!(!has_little(&calls));
        drop(other);
        assert!(has_little(&calls));
    }
}
