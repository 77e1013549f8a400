//! What the requests of all callers may hold in memory together, and for how long
//! one may be in coming.
//!
//! A request counts as much as has come of its message, until it is answered; a
//! stream as its largest message so far, because the buffers that it came through
//! stay with the stream. Streams have a half of their own: they may be idle for long.
//! Who would need more than there is is refused and may come again: to let it wait
//! would be worse, because what it has sent would fill its connection's window and
//! hold up the messages that are to make room.

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
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{authenticate::is_open_to_all, framing::Framing, status::of_transport, streams};
use crate::{
    access::{ApiKeys, Caller},
    error::Error,
};

/// Requests up to here do not count: each takes as much in any case. So large writes
/// keep out neither reads nor operators.
const UNCOUNTED: usize = 8 << 10;
/// So much of a message must come within the patience for it, or its end.
const PACE: usize = 64 << 10;
/// Calls end in an instant, mostly.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Makes [`RequestMemory`] services.
#[derive(Clone)]
pub struct RequestMemoryLayer {
    keys: ApiKeys,
    single: Arc<Budget>,
    streams: Arc<Budget>,
    patience: Duration,
    stream_paths: Arc<HashSet<String>>,
}

impl RequestMemoryLayer {
    /// A layer that gives out so many bytes, and waits so long for each next part of
    /// a message.
    pub fn new(keys: ApiKeys, bytes: usize, patience: Duration) -> Result<Self, DecodeError> {
        let half = || Arc::new(Budget { used: AtomicUsize::new(0), bytes: bytes / 2 });
        let stream_paths = Arc::new(streams::paths(MethodDescriptorProto::client_streaming)?);
        Ok(Self { keys, single: half(), streams: half(), patience, stream_paths })
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
        // What needs no key is a few kilobytes at most.
        if is_open_to_all(request.uri().path()) {
            return Box::pin(self.inner.call(request));
        }
        let RequestMemoryLayer { keys, single, streams, patience, stream_paths } = &self.given;
        let (kind, budget) = match stream_paths.contains(request.uri().path()) {
            true => (Kind::Stream, streams),
            false => (Kind::Single, single),
        };
        let share = Arc::new(Share { budget: Arc::clone(budget), held: Mutex::new(0) });
        request.extensions_mut().insert(Arc::clone(&share));
        let late = Late {
            caller: request.extensions().get::<Caller>().cloned().map(|caller| (keys.clone(), caller)),
            patience: *patience,
            came: 0,
            clock: None,
            ended: None,
        };
        let framing = Framing::default();
        let counted = Arc::clone(&share);
        let request = request
            .map(|body| Body::new(Metered { body: Some(body), kind, framing, share: counted, withheld: None, late }));
        let answer = self.inner.call(request);
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

/// Ends what is waited for in vain.
struct Late {
    caller: Option<(ApiKeys, Caller)>,
    patience: Duration,
    /// Since the clock runs.
    came: usize,
    clock: Option<Pin<Box<Sleep>>>,
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Late {
    /// More has come. A clock that every byte sets back would never run out.
    fn came(&mut self, bytes: usize, whole: bool) {
        self.came += bytes;
        if whole || self.came >= PACE {
            (self.came, self.clock) = (0, None);
        }
    }

    /// Why it is waited for no longer: its time is over, or its caller's (**A4**).
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let Self { caller, patience, clock, ended, .. } = self;
        if let Some((keys, caller)) = caller {
            let ended = ended.get_or_insert_with(|| Box::pin(caller.ended().clone().cancelled_owned()));
            if ended.as_mut().poll(context).is_ready() {
                return Poll::Ready(keys.why_ended(caller).into());
            }
        }
        let clock = clock.get_or_insert_with(|| Box::pin(sleep(*patience)));
        ready!(clock.as_mut().poll(context));
        let why = format!("less than {PACE} bytes of the message have come for {patience:?}");
        Poll::Ready(of_transport(Status::deadline_exceeded(why)))
    }
}

/// A body whose messages count and must come.
struct Metered {
    /// Absent at the end.
    body: Option<Body>,
    kind: Kind,
    framing: Framing,
    share: Arc<Share>,
    /// The last part that came. Unpacked and read, a message can be many times as
    /// large, so a single one is given on as a whole, when its call is closed and
    /// nothing can hold up what is done with it.
    withheld: Option<Frame<Bytes>>,
    late: Late,
}

impl Metered {
    /// The next part, or the end.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(part) = Pin::new(body).poll_frame(context) {
            if part.is_none() {
                self.body = None;
            }
            return Poll::Ready(part);
        }
        if self.kind == Kind::Stream && self.framing.is_between_messages() {
            return Poll::Pending;
        }
        self.late.poll(context).map(|status| Some(Err(status)))
    }

    /// Takes note of a part.
    fn count(&mut self, bytes: &[u8]) -> Result<(), Status> {
        let complete = self.framing.complete;
        let largest = self.framing.advance(bytes);
        self.share.raise(largest)?;
        self.late.came(bytes.len(), self.framing.complete > complete);
        let is_more = self.framing.complete > 1 || self.framing.complete == 1 && !self.framing.is_between_messages();
        if self.kind == Kind::Single && is_more {
            return Err(of_transport(Status::internal("something follows the only message of the call")));
        }
        Ok(())
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
            if let Some(bytes) = part.data_ref() {
                if bytes.is_empty() {
                    continue;
                }
                if let Err(error) = self.count(bytes) {
                    return Poll::Ready(Some(Err(error)));
                }
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
        self.withheld.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures::FutureExt;
    use http::HeaderMap;
    use tonic::Code;

    use super::*;

    enum Came {
        Data(&'static [u8]),
        Trailers,
        End,
        Error,
    }

    /// What comes; when it is empty, nothing has come yet.
    struct Script(VecDeque<Came>);

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.0.pop_front() {
                Some(Came::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes))))),
                Some(Came::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
                Some(Came::End) => Poll::Ready(None),
                Some(Came::Error) => Poll::Ready(Some(Err(Status::unknown("broken")))),
                None => Poll::Pending,
            }
        }
    }

    /// What is given on before more has to come: data, `+` for trailers, `.` for the end.
    fn given_on<const N: usize>(kind: Kind, came: [Came; N]) -> Result<Vec<u8>, Code> {
        let budget = Arc::new(Budget { used: AtomicUsize::new(0), bytes: 100 << 10 });
        let share = Arc::new(Share { budget, held: Mutex::new(0) });
        let late = Late { caller: None, patience: Duration::from_secs(60), came: 0, clock: None, ended: None };
        let body = Body::new(Script(came.into()));
        let mut body = Metered { body: Some(body), kind, framing: Framing::default(), share, withheld: None, late };
        let mut given = Vec::new();
        while let Some(part) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).now_or_never() {
            let Some(part) = part else {
                given.push(b'.');
                break;
            };
            match part.map_err(|status| status.code())?.into_data() {
                Ok(bytes) => given.extend(&bytes),
                Err(_trailers) => given.push(b'+'),
            }
        }
        Ok(given)
    }

    const MESSAGE: &[u8] = b"\0\0\0\0\x02ab";

    #[tokio::test]
    async fn a_single_message_is_whole_only_at_its_end() {
        use Came::{Data, End, Error, Trailers};
        let single = Kind::Single;
        assert_eq!(given_on(single, [Data(MESSAGE)]).unwrap(), b"");
        assert_eq!(given_on(single, [Data(MESSAGE), Data(b"")]).unwrap(), b"");
        assert_eq!(given_on(single, [Data(MESSAGE), End]).unwrap(), [MESSAGE, b"."].concat());
        assert_eq!(given_on(single, [Data(MESSAGE), Trailers, End]).unwrap(), [MESSAGE, b"+."].concat());
        let (first, second) = MESSAGE.split_at(6);
        assert_eq!(given_on(single, [Data(first), Data(second)]).unwrap(), first);
        assert_eq!(given_on(single, [Data(first), Data(second), End]).unwrap(), [MESSAGE, b"."].concat());
        assert_eq!(given_on(single, [Data(MESSAGE), Error]), Err(Code::Unknown));
        assert_eq!(given_on(single, [Data(MESSAGE), Data(b"\0")]), Err(Code::InvalidArgument));
        assert_eq!(given_on(single, [End]).unwrap(), b".");
    }

    #[tokio::test]
    async fn a_stream_goes_on_as_it_comes() {
        use Came::{Data, End};
        let stream = Kind::Stream;
        assert_eq!(given_on(stream, [Data(MESSAGE)]).unwrap(), MESSAGE);
        assert_eq!(given_on(stream, [Data(MESSAGE), Data(b"\0")]).unwrap(), [MESSAGE, b"\0"].concat());
        assert_eq!(given_on(stream, [Data(MESSAGE), End]).unwrap(), [MESSAGE, b"."].concat());
    }

    #[test]
    fn a_share_is_given_back_as_it_was_taken() {
        let budget = Arc::new(Budget { used: AtomicUsize::new(0), bytes: 20 << 10 });
        let share = || Share { budget: Arc::clone(&budget), held: Mutex::new(0) };
        let (a, b) = (share(), share());
        a.raise(UNCOUNTED).unwrap();
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        a.raise(10 << 10).unwrap();
        a.raise(9 << 10).unwrap();
        b.raise(10 << 10).unwrap();
        b.raise((10 << 10) + 1).unwrap_err();
        assert_eq!(budget.used.load(Ordering::Relaxed), 20 << 10);
        drop(a);
        b.raise((10 << 10) + 1).unwrap();
        drop(b);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
