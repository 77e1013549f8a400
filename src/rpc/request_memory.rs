//! What the requests of all callers may hold in memory together.
//!
//! A message counts as soon as its length is known, since room for it is made
//! then, and until the call is answered; in a stream until the next one is asked
//! for. Who would need more is refused and may come again: to let it wait would be
//! worse, because what it has sent would fill its connection's window and hold up
//! the messages that are to make room.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use prost::DecodeError;
use prost_types::MethodDescriptorProto;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{
    authenticate::is_open_to_all,
    framing::{Announced, Framing},
    streams,
};
use crate::error::Error;

/// What callers together may send who need no key. It is theirs alone, so that
/// they cannot keep out those who have one.
const QUESTIONS_BYTES: usize = 16 << 20;
/// A request of so many bytes is small. An eighth is for those alone, so that large
/// writes do not keep out reads, nor operators.
const SMALL: usize = 64 << 10;
/// Calls end in an instant, mostly.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Makes [`RequestMemory`] services.
#[derive(Clone)]
pub struct RequestMemoryLayer {
    calls: Arc<Budget>,
    questions: Arc<Budget>,
    streams: Arc<HashSet<String>>,
}

impl RequestMemoryLayer {
    /// A layer that gives out `bytes`, and refuses none of at most `longest_call`
    /// or `longest_question` while there are so many left.
    pub fn new(bytes: usize, longest_call: usize, longest_question: usize) -> Result<Self, DecodeError> {
        Ok(Self {
            calls: Budget::of(bytes, longest_call),
            questions: Budget::of(QUESTIONS_BYTES, longest_question),
            streams: Arc::new(streams::paths(MethodDescriptorProto::client_streaming)?),
        })
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
        let RequestMemoryLayer { calls, questions, streams } = &self.given;
        let path = request.uri().path();
        let budget = if is_open_to_all(path) { questions } else { calls };
        let kind = if streams.contains(path) { Kind::Stream } else { Kind::Single };
        let share = Share::none_of(budget);
        request.extensions_mut().insert(Arc::clone(&share));
        let counted = Arc::clone(&share);
        let request =
            request.map(|body| Body::new(Metered { body, kind, share: counted, framing: Framing::default() }));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(share);
            answer
        })
    }
}

/// Whether the messages of a request are worked on one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Stream,
}

/// Bytes to be shared.
struct Budget {
    used: AtomicUsize,
    bytes: usize,
    longest: usize,
}

impl Budget {
    fn of(bytes: usize, longest: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), bytes, longest })
    }

    /// Takes some for a request that has `all` with them.
    fn take(&self, bytes: usize, all: usize) -> Result<(), Error> {
        let limit = if all > SMALL { self.bytes - self.bytes / 8 } else { self.bytes };
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let busy = |_| Error::Busy { what: "bytes of requests", limit, retry_after: RETRY_AFTER };
        taken.map(drop).map_err(busy)
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one request has of it; given back at its end.
pub struct Share {
    budget: Arc<Budget>,
    held: Mutex<usize>,
}

impl Share {
    fn none_of(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { budget: Arc::clone(budget), held: Mutex::new(0) })
    }

    /// Makes it as many bytes as the message that it is for.
    pub fn set(&self, bytes: usize) -> Result<(), Error> {
        self.change(|_| bytes)
    }

    /// Makes it at least so many.
    pub fn raise(&self, bytes: usize) -> Result<(), Error> {
        self.change(|held| held.max(bytes))
    }

    fn add(&self, bytes: usize) -> Result<(), Error> {
        self.change(|held| held.saturating_add(bytes))
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) -> Result<(), Error> {
        let mut held = self.held.lock();
        let wanted = change(*held);
        match wanted.checked_sub(*held) {
            Some(0) => {}
            Some(more) => self.budget.take(more, wanted)?,
            None => self.budget.give_back(*held - wanted),
        }
        *held = wanted;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(*self.held.get_mut());
    }
}

/// A body whose messages count.
struct Metered {
    body: Body,
    kind: Kind,
    share: Arc<Share>,
    framing: Framing,
}

impl Metered {
    fn count(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Self { kind, share, framing, .. } = self;
        let mut more = 0;
        framing.advance(bytes, |message| more += size(message, *kind, share.budget.longest));
        share.add(more)
    }

    /// Of a stream, all messages before the unfinished one have been worked on when
    /// more of it is asked for.
    fn forget_finished(&self) {
        let Self { kind, share, framing, .. } = self;
        if *kind == Kind::Stream {
            let unfinished = framing.unfinished().map_or(0, |message| size(message, *kind, share.budget.longest));
            // To have fewer is never refused.
            let _ = share.change(|held| held.min(unfinished));
        }
    }
}

/// What a message takes while it comes.
fn size(message: Announced, kind: Kind, longest: usize) -> usize {
    match kind {
        // It will be refused for its length.
        _ if message.bytes > longest => 0,
        // How large it really is, is not known before it is complete and unpacked.
        Kind::Single if message.compressed => longest,
        // Those of a stream are unpacked one at a time, and then counted.
        Kind::Single | Kind::Stream => message.bytes,
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.forget_finished();
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        let counted = match frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            Some(bytes) => self.count(bytes),
            None => Ok(()),
        };
        Poll::Ready(counted.map_or_else(|error| Some(Err(error.into())), |()| frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
