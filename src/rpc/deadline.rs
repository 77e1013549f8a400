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
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::{ending::Ending, status::of_transport};

/// tonic's own timer stands behind ours and answers without details.
const AHEAD: Duration = Duration::from_millis(5);

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
        let deadline = timeout(request.headers()).map(|timeout| Box::pin(passed(timeout.saturating_sub(AHEAD))));
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

/// What the client is told when its time is over.
async fn passed(timeout: Duration) -> Status {
    tokio::time::sleep(timeout).await;
    of_transport(Status::deadline_exceeded("the deadline passed before the work was done"))
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
    use super::*;

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
