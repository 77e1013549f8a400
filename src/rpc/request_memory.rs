//! What the requests of all callers may hold in memory together, and for how long
//! one may be in coming.
//!
//! A request counts as much as has come of its message, until it is answered; a
//! stream as its largest message so far, because the buffers that it came through
//! stay with the stream. Streams have a half of their own: they may be idle for long.
//! So have questions that need no key, lest those who have none hold up the others.
//! Who would need more than there is is refused and may come again: to let it wait
//! would be worse, because what it has sent would fill its connection's window and
//! hold up the messages that are to make room.

mod framing;
mod late;
mod metered;
mod share;

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use prost::DecodeError;
use prost_types::MethodDescriptorProto;
use tonic::body::Body;
use tower::{Layer, Service};

pub use self::share::Share;
use self::{
    late::Late,
    metered::{Kind, Metered},
    share::Budget,
};
use super::{authenticate::is_open_to_all, streams};
use crate::access::{ApiKeys, Caller};

/// For all questions that need no key; each is a few kilobytes.
const QUESTIONS_BYTES: usize = 16 << 20;

/// Makes [`RequestMemory`] services.
#[derive(Clone)]
pub struct RequestMemoryLayer {
    keys: ApiKeys,
    single: Arc<Budget>,
    streams: Arc<Budget>,
    questions: Arc<Budget>,
    patience: Duration,
    stream_paths: Arc<HashSet<String>>,
}

impl RequestMemoryLayer {
    /// A layer that gives out so many bytes, and waits so long for each next part of
    /// a message.
    pub fn new(keys: ApiKeys, bytes: usize, patience: Duration) -> Result<Self, DecodeError> {
        let half = || Budget::of(bytes / 2);
        let stream_paths = Arc::new(streams::paths(MethodDescriptorProto::client_streaming)?);
        let questions = Budget::of(QUESTIONS_BYTES);
        Ok(Self { keys, single: half(), streams: half(), questions, patience, stream_paths })
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
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let RequestMemoryLayer { keys, single, streams, questions, patience, stream_paths } = &self.given;
        let path = request.uri().path();
        let (kind, budget) = match stream_paths.contains(path) {
            true => (Kind::Stream, streams),
            false => (Kind::Single, single),
        };
        let budget = if is_open_to_all(path) { questions } else { budget };
        let share = Arc::new(Share::none_of(budget));
        let caller = request.extensions().get::<Caller>().cloned();
        let late = Late::new(caller.map(|caller| (keys.clone(), caller)), *patience);
        request.extensions_mut().insert(Arc::clone(&share));
        let request = request.map(|body| Body::new(Metered::new(kind, body, Arc::clone(&share), late)));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(share);
            answer
        })
    }
}
