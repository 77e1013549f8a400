//! A layer around all services: it keeps the client's deadline with an error of
//! the contract, to the end of the answer, and gives tonic's own errors (unknown
//! methods, malformed messages) their details.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use tokio::time::{Instant, Sleep, sleep};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::{ending::Ending, status::of_transport};

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
        let deadline = timeout(request.headers()).map(Deadline::after);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Some(mut deadline) = deadline else { return Ok(with_details(answer.await?)) };
            tokio::select! {
                biased;
                answer = answer => Ok(with_details(answer?).map(|body| Ending::of(body, deadline))),
                status = &mut deadline => Ok(status.into_http()),
            }
        })
    }
}

/// Resolves to what the client is told when its time is over.
///
/// tonic keeps the same deadline around us and would tell it without details. It
/// sets its timer behind ours and asks us first, so that ours comes first if it is
/// true to the clock: timers fire a tick late, in any order within a tick.
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

/// Errors that come before any message are in the headers.
fn with_details(answer: Response<Body>) -> Response<Body> {
    match Status::from_header_map(answer.headers()) {
        Some(status) if status.code() != Code::Ok && status.details().is_empty() => of_transport(status).into_http(),
        _ => answer,
    }
}

/// `grpc-timeout`: at most 8 digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tower::service_fn;

    use super::*;

    /// As it is when the machine is busy between the call and its first poll, and
    /// the timer has not fired yet.
    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_is_told_at_the_first_poll() {
        let never = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Status>>());
        for (sent, passes) in [("1n", true), ("1m", true), ("10m", false)] {
            let request = Request::builder().header("grpc-timeout", sent).body(()).unwrap();
            let answer = ContractLayer.layer(never).call(request);
            tokio::time::advance(Duration::from_millis(1)).await;
            let status =
                answer.now_or_never().map(|answer| Status::from_header_map(answer.unwrap().headers()).unwrap());
            assert_eq!(status.as_ref().map(Status::code), passes.then_some(Code::DeadlineExceeded), "{sent}");
            assert!(status.is_none_or(|status| !status.details().is_empty()), "{sent}");
        }
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            timeout(&headers)
        };
        assert_eq!(read("100m"), Some(Duration::from_millis(100)));
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        for bad in ["", "m", "123456789m", "1x", "-1m", "1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
