//! What the requests of all callers may hold in memory together, and for how long
//! one may be in coming.
//!
//! A request counts as much as has come of its message, until it is answered; a
//! stream as its largest message so far, because the buffers that it came through
//! stay with the stream. Streams have a half of their own: they may be idle for long.
//! Questions that need no key are too short to count.
//! Who would need more than there is, or than its share ([`crate::share`]), is refused and
//! may come again: to let it wait would be worse, because what it has sent would fill its
//! connection's window and hold up the messages that are to make room.
//!
//! What is large, or may become it when it is unpacked, is unpacked and read in turns, on a
//! thread that holds up nobody else (`turn.rs`). Nothing large is taken in of callers who may
//! not do what they ask for anywhere.

mod framing;
mod late;
mod metered;
mod turn;

use std::{
    collections::HashSet,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use prost::DecodeError;
use prost_types::MethodDescriptorProto;
use tonic::body::Body;
use tower::{Layer, Service};

pub use self::turn::{Memory, OffWorkers};
use self::{
    late::Late,
    metered::{Kind, Limits, Metered},
};
use super::{authenticate::QUESTION_PATIENCE, rules::permission_of, streams};
use crate::{
    access::{ApiKeys, Caller},
    rpc::transport::peer::Peer,
    share::{Budget, Division},
};

/// The longest of them, which name a service or a symbol. So they do not count, and hold up
/// nobody: each connection has few of them at once.
pub const QUESTION_BYTES: usize = 4 << 10;
/// Each tenant may have one message of this length in coming, if there is room.
pub const LARGEST_MESSAGE: usize = 12 << 20;

/// Makes [`RequestMemory`] services.
#[derive(Clone)]
pub struct RequestMemoryLayer {
    keys: ApiKeys,
    single: Arc<Budget>,
    streams: Arc<Budget>,
    turns: Arc<Budget>,
    patience: Duration,
    stream_paths: Arc<HashSet<String>>,
}

impl RequestMemoryLayer {
    /// A layer that gives out so many bytes, and waits so long for each next part of
    /// a message.
    pub fn new(keys: ApiKeys, bytes: usize, patience: Duration) -> Result<Self, DecodeError> {
        let half = |what| Budget::new(what, Division { least: LARGEST_MESSAGE, ..Division::of(bytes / 2) });
        let (single, streams) = (half("bytes of requests"), half("bytes of streams of requests"));
        let stream_paths = Arc::new(streams::paths(MethodDescriptorProto::client_streaming)?);
        let turns = Budget::new("large requests", Division::of(turn::at_once()));
        Ok(Self { keys, single, streams, turns, patience, stream_paths })
    }
}

impl<S> Layer<S> for RequestMemoryLayer {
    type Service = RequestMemory<S>;

    fn layer(&self, inner: S) -> RequestMemory<S> {
        RequestMemory { inner, given: self.clone() }
    }
}

/// A service whose requests are in memory only as far as there is room.
#[derive(Clone)]
pub struct RequestMemory<S> {
    inner: S,
    given: RequestMemoryLayer,
}

impl<S> Service<Request<Body>> for RequestMemory<S>
where
    S: Service<Request<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = OffWorkers<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let RequestMemoryLayer { keys, single, streams, turns, patience, stream_paths } = &self.given;
        let path = request.uri().path();
        let (kind, budget) = match stream_paths.contains(path) {
            true => (Kind::Stream, streams),
            false => (Kind::Single, single),
        };
        let caller = request.extensions().get::<Caller>().cloned();
        let limits = match &caller {
            // Whether it may do this here only the message tells, whether anywhere the key does.
            Some(caller) => {
                Limits { longest: None, barred: permission_of(path).and_then(|need| keys.bar(caller, need)) }
            }
            None => Limits { longest: Some(QUESTION_BYTES), barred: None },
        };
        let (patience, tenant) = match &caller {
            Some(caller) => (*patience, caller.tenant()),
            None => ((*patience).min(QUESTION_PATIENCE), Peer::of(&request).tenant()),
        };
        let share = Arc::new(Memory::new(budget.share(&tenant), turns));
        let late = Late::new(caller.map(|caller| (keys.clone(), caller)), patience);
        request.extensions_mut().insert(Arc::clone(&share));
        let request = request.map(|body| Body::new(Metered::new(kind, limits, body, Arc::clone(&share), late)));
        let answer = self.inner.call(request);
        OffWorkers::new(share, answer)
    }
}
