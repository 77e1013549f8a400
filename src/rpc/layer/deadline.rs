//! A layer around all services: it refuses what is not gRPC, keeps the client's deadline
//! with an error of the contract, to the end of the answer, and gives tonic's own errors
//! (unknown methods, malformed messages) their details.

use std::{
    future::{Future, ready},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{ending::Ending, foreign, timeout::timeout, told::told};
use crate::rpc::status::of_transport;

/// Makes [`Contract`] services.
#[derive(Clone, Debug)]
pub struct ContractLayer;

impl<S> Layer<S> for ContractLayer {
    type Service = Contract<S>;

    fn layer(&self, inner: S) -> Contract<S> {
        Contract { inner }
    }
}

/// A service whose every error is one of the contract.
#[derive(Clone, Debug)]
pub struct Contract<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Contract<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(refusal) = foreign::refusal(&request) {
            return Box::pin(ready(Ok(refusal)));
        }
        let deadline = match timeout(request.headers()) {
            Ok(timeout) => timeout.map(Deadline::after),
            Err(status) => return Box::pin(ready(Ok(status.into_http()))),
        };
        let uri = request.uri().clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Some(mut deadline) = deadline else { return Ok(told(answer.await?, uri.path())) };
            tokio::select! {
                biased;
                answer = answer => Ok(told(answer?, uri.path()).map(|body| Ending::of(body, deadline))),
                status = &mut deadline => Ok(status.into_http()),
            }
        })
    }
}

/// Resolves to what the client is told when its time is over. It goes by the clock, since
/// timers fire a tick late.
struct Deadline(Pin<Box<Sleep>>);

impl Deadline {
    fn after(timeout: Duration) -> Self {
        Self(Box::pin(sleep(timeout)))
    }
}

impl Future for Deadline {
    type Output = Status;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Status> {
        if Instant::now() < self.0.deadline() && self.0.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(of_transport(Status::deadline_exceeded("the deadline passed before the work was done")))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tonic::Code;
    use tower::service_fn;

    use super::*;

    /// As it is when the machine is busy between the call and its first poll, and
    /// the timer has not fired yet.
    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_is_told_at_the_first_poll() {
        let never = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Status>>());
        for (sent, passes) in [("1n", true), ("1m", true), ("10m", false)] {
            let request = Request::post("/")
                .header("content-type", "application/grpc")
                .header("grpc-timeout", sent)
                .body(())
                .unwrap();
            let answer = ContractLayer.layer(never).call(request);
            tokio::time::advance(Duration::from_millis(1)).await;
            let status =
                answer.now_or_never().map(|answer| Status::from_header_map(answer.unwrap().headers()).unwrap());
            assert_eq!(status.as_ref().map(Status::code), passes.then_some(Code::DeadlineExceeded), "{sent}");
            assert!(status.is_none_or(|status| !status.details().is_empty()), "{sent}");
        }
    }
}
