//! A layer that lets callers in: it tells who calls by the key that comes along,
//! and refuses who has none. What the caller may do is asked by each handler.

use std::{
    collections::HashSet,
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use prost::DecodeError;
use prost_types::MethodDescriptorProto;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{ending::Ending, streams};
use crate::{
    access::{ApiKeys, Caller},
    error::Error,
    rpc::transport::{
        call::{LetIn, Refusals},
        connection::{OnConnection, Questions},
        peer::Peer,
    },
};

/// Needs no key: probes have none, and the contract is no secret.
const OPEN_TO_ALL: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// How long the next part of such a question may take, and its answer be left lying.
pub const QUESTION_PATIENCE: Duration = Duration::from_secs(10);

/// Whether a path is one of those.
pub fn is_open_to_all(path: &str) -> bool {
    OPEN_TO_ALL.iter().any(|service| path.starts_with(service))
}

/// Makes [`Authenticate`] services.
#[derive(Clone)]
pub struct AuthenticateLayer {
    keys: ApiKeys,
    streams: Arc<HashSet<String>>,
    refusals: Arc<Refusals>,
    questions: Questions,
}

impl AuthenticateLayer {
    /// A layer that asks these keys.
    pub fn new(keys: ApiKeys) -> Result<Self, DecodeError> {
        let streams = streams::paths(MethodDescriptorProto::server_streaming)?;
        Ok(Self { keys, streams: Arc::new(streams), refusals: Arc::default(), questions: Questions::default() })
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        let Self { keys, streams, refusals, questions } = self.clone();
        Authenticate { inner, keys, streams, refusals, questions }
    }
}

/// A service that is only reached by callers who are known.
#[derive(Clone)]
pub struct Authenticate<S> {
    inner: S,
    keys: ApiKeys,
    streams: Arc<HashSet<String>>,
    refusals: Arc<Refusals>,
    questions: Questions,
}

impl<S> Authenticate<S> {
    /// Says that somebody was not let in.
    fn tell(&self, peer: Option<Peer>, error: &Error) {
        if let Some(not_logged) = self.refusals.count(peer.and_then(Peer::ip), Instant::now()) {
            tracing::warn!(%error, not_logged, "a call without a key that lets it in");
        }
    }
}

impl<S, B> Service<Request<B>> for Authenticate<S>
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let connection = request.extensions().get::<OnConnection>().cloned();
        if is_open_to_all(request.uri().path()) {
            if let Some(connection) = connection {
                // Where nobody needs a key, nobody is a stranger.
                if !self.keys.are_required() {
                    let _ = connection.let_in(None);
                }
                match connection.ask(&self.questions, Peer::of(&request)) {
                    Ok(question) => drop(request.extensions_mut().insert(question)),
                    Err(error) => return Box::pin(ready(Ok(Status::from(error).into_http()))),
                }
            }
            return Box::pin(self.inner.call(request));
        }
        match self.keys.authenticate(secret(request.headers())) {
            Ok(caller) => {
                let tenant = caller.key().map(|_| caller.tenant());
                if let Some(connection) = connection
                    && let Err(error) = connection.let_in(tenant.as_ref())
                {
                    return Box::pin(ready(Ok(Status::from(error).into_http())));
                }
                if let Some(let_in) = request.extensions().get::<LetIn>() {
                    let_in.note();
                }
                request.extensions_mut().insert(caller.clone());
                // Whoever ends itself, or makes the first key, still reads that answer.
                let is_stream = self.streams.contains(request.uri().path());
                let (keys, answer) = (self.keys.clone(), self.inner.call(request));
                Box::pin(async move {
                    // The span is entered when this is polled.
                    tracing::Span::current().record("caller", caller.name());
                    let answer = answer.await?;
                    Ok(if is_stream { answer.map(|body| until_ended(body, keys, caller)) } else { answer })
                })
            }
            Err(error) => {
                self.tell(request.extensions().get().copied(), &error);
                Box::pin(ready(Ok(Status::from(error).into_http())))
            }
        }
    }
}

/// Ends what a caller still reads when it may go on no longer (**A4**).
fn until_ended(body: Body, keys: ApiKeys, caller: Caller) -> Body {
    Ending::of(body, Box::pin(async move { keys.ended(caller).await.into() }))
}

/// What stands behind `Bearer` (RFC 6750).
fn secret(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let first = sent.next()?;
    let bearer = first.to_str().ok().and_then(|text| text.split_once(' '));
    match bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, secret)) if sent.next().is_none() => Some(secret.trim()),
        // No secret of ours is empty.
        _ => Some(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stands_behind_bearer_and_once() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            secret(&headers).map(str::to_owned)
        };
        assert_eq!(read(&[]), None);
        for good in ["Bearer sf_a_1", "bearer  sf_a_1", "BEARER sf_a_1 "] {
            assert_eq!(read(&[good]).as_deref(), Some("sf_a_1"), "{good}");
        }
        for bad in [&["sf_a_1"][..], &["Basic sf_a_1"], &["Bearer sf_a_1", "Bearer sf_a_1"], &[""]] {
            assert_eq!(read(bad).as_deref(), Some(""), "{bad:?}");
        }
    }
}
