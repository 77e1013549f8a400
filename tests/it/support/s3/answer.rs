//! What a client is told: a body that may break off, XML, or what went wrong.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use serde::Serialize;

pub type Answer = Response<Body>;

/// Ends the connection where there would be an answer.
#[derive(Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

/// The bytes of an answer, and how many more it promises than it gives.
#[derive(Default)]
pub struct Body {
    left: Bytes,
    lost: u64,
    was_sent: bool,
}

impl Body {
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Breaks off in the middle.
    pub fn cut(mut self) -> Self {
        let half = self.left.len() / 2;
        self.lost = (self.left.len() - half) as u64;
        self.left.truncate(half);
        self
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { left: bytes, ..Self::default() }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let body = self.get_mut();
        if !body.left.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut body.left)))));
        }
        if body.lost == 0 {
            return Poll::Ready(None);
        }
        if std::mem::replace(&mut body.was_sent, true) {
            return Poll::Ready(Some(Err(Cut)));
        }
        // What was given so far is sent now, and not lost with the connection.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.lost == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64 + self.lost)
    }
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

/// An answer of XML.
pub fn xml(root: &str, content: &impl Serialize) -> Result<Answer, Failure> {
    let text = quick_xml::se::to_string_with_root(root, content).map_err(Failure::internal)?;
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    let answer = Response::builder().header(header::CONTENT_TYPE, "application/xml");
    answer.body(Bytes::from(text).into()).map_err(Failure::internal)
}

/// A request that is not done.
#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub code: &'static str,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Told<'a> {
    code: &'a str,
    message: &'a str,
}

impl Failure {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn forbidden(code: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "this request is not allowed")
    }

    pub fn missing(code: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "what was named does not exist")
    }

    /// What S3 may know, and this server does not: better than to pass over it.
    pub fn unknown(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", what)
    }

    pub fn precondition(which: &str) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", which)
    }

    pub fn internal(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", error.to_string())
    }

    pub fn answer(&self) -> Answer {
        if self.status == StatusCode::NOT_MODIFIED {
            return empty(self.status);
        }
        let told = Told { code: self.code, message: &self.message };
        let mut answer = xml("Error", &told).unwrap_or_default();
        *answer.status_mut() = self.status;
        answer
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::internal(error)
    }
}
