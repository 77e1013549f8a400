//! What is around every call, whatever becomes of it: a span with its method, id, caller and
//! peer, in which it runs to the end of its answer; its id in the answer; INTERNAL where it
//! panics; and a line in the log when it has ended.

mod body;
mod id;
mod line;
mod outcome;
mod refusals;

use std::{convert::Infallible, panic::AssertUnwindSafe};

use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use hyper::{body::Incoming, service::Service as HttpService};
use tonic::{Status, body::Body};
use tower::Service;
use tracing::Instrument;

use self::{
    body::{Answer, Asked},
    id::RequestId,
    line::Line,
};
pub use self::{line::LetIn, refusals::Refusals};
use super::{connection::CallTasks, peer::Peer};
use crate::error::Error;

/// Calls a service, for the calls of one connection.
pub struct Calling<S> {
    service: S,
    peer: Peer,
    calls: CallTasks,
}

impl<S> Calling<S> {
    /// Of a client, whose calls these are.
    pub fn new(service: S, peer: Peer, calls: CallTasks) -> Self {
        Self { service, peer, calls }
    }
}

impl<S> HttpService<Request<Incoming>> for Calling<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let id = RequestId::of(request.headers());
        let method = request.uri().path();
        // Of the highest level, so that no filter that lets a line through leaves out whose it is.
        let span = tracing::error_span!("rpc", method, %id, caller = tracing::field::Empty, peer = %self.peer);
        let line = Line::begin(span.clone());
        let mut service = self.service.clone();
        let mut request = request.map(|body| Body::new(Asked::new(body, line.received(), &self.calls.0)));
        let (delivery, connection) = self.calls.0.announce();
        request.extensions_mut().insert(delivery);
        request.extensions_mut().insert(connection);
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(line.let_in());
        let answer = async move {
            std::future::poll_fn(|context| service.poll_ready(context)).await?;
            service.call(request).await
        };
        let answer = async move {
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Ok(panicked().into_http()));
            answer.map(|answer| Answer::around(answer, id, line))
        };
        Box::pin(answer.instrument(span))
    }
}

/// What a caller is told of it. The log has the panic itself.
fn panicked() -> Status {
    Error::internal("the call panicked").into()
}
