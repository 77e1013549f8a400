//! A body that something from outside can end, with a status of its own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tonic::{Status, body::Body};

/// Passes a body on until `end` says how it ends. Then what worked for it is
/// dropped, and the status goes out as trailers.
pub struct Ending<F> {
    /// Absent at the end.
    body: Option<Body>,
    end: F,
}

impl<F> Ending<F>
where
    F: Future<Output = Status> + Send + Unpin + 'static,
{
    /// Lets `end` end a body; one that is at its end already stays as it is.
    pub fn of(body: Body, end: F) -> Body {
        if http_body::Body::is_end_stream(&body) { body } else { Body::new(Self { body: Some(body), end }) }
    }
}

impl<F> http_body::Body for Ending<F>
where
    F: Future<Output = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, end } = &mut *self;
        let Some(running) = body else { return Poll::Ready(None) };
        // The end comes first: a body that always has more must end, too.
        if let Poll::Ready(status) = Pin::new(end).poll(context) {
            *body = None;
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))));
        }
        let frame = std::task::ready!(Pin::new(running).poll_frame(context));
        if frame.is_none() {
            *body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
