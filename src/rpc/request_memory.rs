//! What the requests of all callers may hold in memory together, and for how long
//! one may be in coming.
//!
//! A request counts as much as has come of its message, until it is answered; a
//! stream as its largest message so far, because the buffers that it came through
//! stay with the stream. Who would need more than there is is refused and may come
//! again: to let it wait would be worse, because what it has sent would fill its
//! connection's window and hold up the messages that are to make room.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use prost::DecodeError;
use prost_types::MethodDescriptorProto;
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{authenticate::is_open_to_all, framing::Framing, status::of_transport, streams};
use crate::error::Error;

/// Requests up to here do not count: each takes as much in any case. So large writes
/// keep out neither reads nor operators.
const UNCOUNTED: usize = 8 << 10;
/// Calls end in an instant, mostly.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Makes [`RequestMemory`] services.
#[derive(Clone)]
pub struct RequestMemoryLayer {
    budget: Arc<Budget>,
    patience: Duration,
    streams: Arc<HashSet<String>>,
}

impl RequestMemoryLayer {
    /// A layer that gives out so many bytes, and waits so long for each next part of
    /// a message.
    pub fn new(bytes: usize, patience: Duration) -> Result<Self, DecodeError> {
        let budget = Arc::new(Budget { used: AtomicUsize::new(0), bytes });
        Ok(Self { budget, patience, streams: Arc::new(streams::paths(MethodDescriptorProto::client_streaming)?) })
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
        let RequestMemoryLayer { budget, patience, streams } = &self.given;
        // What needs no key is a few kilobytes at most.
        if is_open_to_all(request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let kind = if streams.contains(request.uri().path()) { Kind::Stream } else { Kind::Single };
        let share = Arc::new(Share { budget: Arc::clone(budget), held: Mutex::new(0) });
        request.extensions_mut().insert(Arc::clone(&share));
        let body = |body| Metered {
            body,
            kind,
            framing: Framing::default(),
            share: Arc::clone(&share),
            withheld: None,
            patience: *patience,
            stalled: None,
        };
        let answer = self.inner.call(request.map(|sent| Body::new(body(sent))));
        Box::pin(async move {
            let answer = answer.await;
            drop(share);
            answer
        })
    }
}

/// How many messages a request has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Stream,
}

/// Bytes to be shared.
struct Budget {
    used: AtomicUsize,
    bytes: usize,
}

impl Budget {
    fn take(&self, bytes: usize) -> Result<(), Error> {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.bytes);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let busy = |_| Error::Busy { what: "bytes of requests", limit: self.bytes, retry_after: RETRY_AFTER };
        taken.map(drop).map_err(busy)
    }
}

/// What one request has of it; given back at its end.
pub struct Share {
    budget: Arc<Budget>,
    held: Mutex<usize>,
}

impl Share {
    /// Makes it at least so many bytes.
    pub fn raise(&self, bytes: usize) -> Result<(), Error> {
        let mut held = self.held.lock();
        if bytes > UNCOUNTED && bytes > *held {
            self.budget.take(bytes - *held)?;
            *held = bytes;
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(*self.held.get_mut(), Ordering::Relaxed);
    }
}

/// A body whose messages count and must come.
struct Metered {
    body: Body,
    kind: Kind,
    framing: Framing,
    share: Arc<Share>,
    /// The last part that came. Unpacked and read, a message can be many times as
    /// large, so a single one is given on as a whole, when nothing can hold up what
    /// is done with it.
    withheld: Option<Frame<Bytes>>,
    patience: Duration,
    /// Since nothing has come of a message that is not complete.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    /// The next part, or the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(part) = Pin::new(&mut self.body).poll_frame(context) {
            self.stalled = None;
            return Poll::Ready(part);
        }
        if self.kind == Kind::Stream && self.framing.is_between_messages() {
            return Poll::Pending;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        ready!(stalled.as_mut().poll(context));
        let late = Status::deadline_exceeded(format!("nothing of the message has come for {:?}", self.patience));
        Poll::Ready(Some(Err(of_transport(late))))
    }
}

impl http_body::Body for Metered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let part = match ready!(self.poll_part(context)) {
                Some(Ok(part)) => part,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.withheld.take().map(Ok)),
            };
            let came = part.data_ref().map_or(0, |bytes| self.framing.advance(bytes));
            if let Err(error) = self.share.raise(came) {
                return Poll::Ready(Some(Err(error.into())));
            }
            if self.kind == Kind::Stream {
                return Poll::Ready(Some(Ok(part)));
            }
            if let Some(before) = self.withheld.replace(part) {
                return Poll::Ready(Some(Ok(before)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.withheld.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
