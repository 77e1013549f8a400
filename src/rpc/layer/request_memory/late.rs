//! How long a message may be in coming.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Sleep, sleep};
use tonic::Status;

use crate::{
    access::{ApiKeys, Caller},
    clock::words,
    error::Error,
    rpc::status::of_transport,
};

/// So much of a message must come within the patience for it, or its end.
const PACE: usize = 64 << 10;

/// Ends what is waited for in vain.
pub struct Late {
    caller: Option<(ApiKeys, Caller)>,
    patience: Duration,
    /// Since the clock runs.
    came: usize,
    clock: Option<Pin<Box<Sleep>>>,
    ended: Option<Pin<Box<dyn Future<Output = Error> + Send>>>,
}

impl Late {
    /// Nothing is late yet.
    pub fn new(caller: Option<(ApiKeys, Caller)>, patience: Duration) -> Self {
        Self { caller, patience, came: 0, clock: None, ended: None }
    }

    /// More has come. A clock that every byte sets back would never run out.
    pub fn came(&mut self, bytes: usize, whole: bool) {
        self.came += bytes;
        if whole || self.came >= PACE {
            (self.came, self.clock) = (0, None);
        }
    }

    /// Why it is waited for no longer: its time is over, or its caller's (**A4**).
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let Self { caller, patience, clock, ended, .. } = self;
        if let Some((keys, caller)) = caller {
            let ended = ended.get_or_insert_with(|| Box::pin(keys.clone().ended(caller.clone())));
            if let Poll::Ready(why) = ended.as_mut().poll(context) {
                return Poll::Ready(why.into());
            }
        }
        let clock = clock.get_or_insert_with(|| Box::pin(sleep(*patience)));
        ready!(clock.as_mut().poll(context));
        let why = format!("less than {PACE} bytes of the message have come for {}", words(*patience));
        Poll::Ready(of_transport(Status::deadline_exceeded(why)))
    }
}
