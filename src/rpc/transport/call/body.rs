//! The bodies of a call: what is asked, and what is answered, to its end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Response, header::HeaderName};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use tonic::{Status, body::Body};

use super::{
    id::{HEADER, RequestId},
    line::Line,
    outcome::Outcome,
    panicked,
};
use crate::rpc::transport::connection::{Calls, Taking};

/// What a client sends, counted.
pub struct Asked {
    body: Incoming,
    received: Arc<AtomicU64>,
    taking: Taking,
}

impl Asked {
    /// Counts the bytes of a body, of a call among these.
    pub fn new(body: Incoming, received: Arc<AtomicU64>, calls: &Arc<Calls>) -> Self {
        Self { body, received, taking: Taking::begin(calls) }
    }

    fn poll_counted(&mut self, context: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = self.taking.poll(context, |context| Pin::new(&mut self.body).poll_frame(context));
        match &polled {
            Poll::Pending => self.taking.found_nothing(),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.taking.took(bytes, self.body.is_end_stream());
            }
            Poll::Ready(None | Some(Err(_))) => self.taking.end(),
        }
        polled
    }
}

impl Drop for Asked {
    /// What has come and was not wanted is nobody's.
    fn drop(&mut self) {
        let context = Context::from_waker(Waker::noop());
        while !self.taking.has_ended()
            && let Poll::Ready(_) = self.poll_counted(&context)
        {}
    }
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = self.poll_counted(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.received.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// What the client gets. It is made in the span of its call, and a panic in it is an error.
pub struct Answer {
    /// Absent when it has panicked.
    body: Option<Body>,
    id: RequestId,
    line: Line,
}

impl Answer {
    /// Puts the id into an answer, and follows it to its end.
    pub fn around(mut answer: Response<Body>, id: RequestId, mut line: Line) -> Response<Body> {
        let ended = Outcome::sign(answer.headers_mut(), &id);
        if let Some(value) = id.header() {
            answer.headers_mut().insert(HeaderName::from_static(HEADER), value);
        }
        if let Some(outcome) = ended {
            line.end(outcome);
            return answer;
        }
        answer.map(|body| Body::new(Self { body: Some(body), id, line }))
    }

    /// The next frame, or none behind a panic.
    fn poll_safely(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = self.line.span().in_scope(|| {
            let poll = || http_body::Body::poll_frame(Pin::new(body), context);
            catch_unwind(AssertUnwindSafe(poll))
        });
        polled.unwrap_or_else(|_| {
            self.body = None;
            let mut trailers = HeaderMap::new();
            let told = self.line.span().in_scope(|| panicked().add_header(&mut trailers));
            Poll::Ready(Some(told.map(|()| Frame::trailers(trailers))))
        })
    }
}

impl Drop for Answer {
    /// What worked for it ends in its span, too.
    fn drop(&mut self) {
        let Self { body, line, .. } = self;
        line.span().in_scope(|| drop(body.take()));
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut polled = std::task::ready!(self.poll_safely(context));
        let Self { id, line, .. } = &mut *self;
        match &mut polled {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    line.sent(data.len());
                } else if let Some(trailers) = frame.trailers_mut()
                    && let Some(outcome) = Outcome::sign(trailers, id)
                {
                    line.end(outcome);
                }
            }
            Some(Err(status)) => line.end(Outcome::of(status.code())),
            None => {}
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map_or_else(|| http_body::SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
