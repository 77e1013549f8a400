//! What the answers to all callers may hold in memory together, and for how long they may
//! wait for their clients.
//!
//! An answer counts from where it is made until the implementation of HTTP/2 has written its
//! last byte. One of a call that only reads is refused if there is no room; what has been
//! changed must be told, so calls that change make room for their answers first. Streams are
//! made a message at a time: whoever makes them waits for room ([`Room::wait`]).
//!
//! Whoever asks for it gets them packed, which is done here (`packer.rs`): what is large in turns,
//! and it counts as it is while it waits.
//!
//! An answer ends with the key of its caller (**A4**), and when too little of it is taken.

mod held;
mod packer;
mod room;

use std::{
    collections::HashSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use prost::DecodeError;
use prost_types::MethodDescriptorProto;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

pub use self::room::Room;
use self::{
    held::{Held, Parts, Streamed, collect},
    packer::{Packer, Packing},
};
use super::{
    authenticate::{QUESTION_PATIENCE, is_open_to_all},
    streams,
};
use crate::{
    access::{ApiKeys, Caller},
    error::Error,
    rpc::transport::{
        connection::Question,
        delivery::{Delivery, PACE, Taken, Terms, Watched},
        peer::Peer,
    },
    share::{Budget, Division, Turns},
};

/// Calls at once with a key, from their first byte to the last of their answer. Each takes
/// some ten KiB, whatever it is about.
const CALLS: usize = 16 << 10;
/// For all answers that need no key; each is a few kilobytes.
const ANSWERS_TO_ALL_BYTES: usize = 16 << 20;
/// Each tenant may have one, if there is room.
pub const LARGEST_ANSWER: usize = 4 << 20;
/// What a stream has to take its last words in, once nobody may have it any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Makes [`Answers`] services.
#[derive(Clone)]
pub struct AnswersLayer {
    keys: ApiKeys,
    calls: Arc<Budget>,
    budget: Arc<Budget>,
    to_all: Arc<Budget>,
    health: Arc<Budget>,
    turns: Turns,
    patience: Duration,
    stream_patience: Duration,
    streams: Arc<HashSet<String>>,
}

impl AnswersLayer {
    /// A layer that gives out so many bytes, packs in these turns, and lets answers and messages
    /// of streams wait so long for their clients.
    pub fn new(
        keys: ApiKeys,
        turns: Turns,
        bytes: usize,
        patience: Duration,
        stream_patience: Duration,
    ) -> Result<Self, DecodeError> {
        let streams = Arc::new(streams::paths(MethodDescriptorProto::server_streaming)?);
        let budget = Budget::new("bytes of answers", Division { least: LARGEST_ANSWER, ..Division::of(bytes) });
        // Some bytes each, and they are counted already: nobody is to keep others from asking.
        let health = Budget::new("bytes of answers of health", Division::of(usize::MAX));
        let calls = Budget::new("calls", Division::of(CALLS));
        let to_all = Budget::new("bytes of answers to callers without a key", Division::of(ANSWERS_TO_ALL_BYTES));
        Ok(Self { keys, calls, budget, to_all, health, turns, patience, stream_patience, streams })
    }
}

impl<S> Layer<S> for AnswersLayer {
    type Service = Answers<S>;

    fn layer(&self, inner: S) -> Answers<S> {
        Answers { inner, given: self.clone() }
    }
}

/// A service whose answers are in memory only as far as there is room.
#[derive(Clone)]
pub struct Answers<S> {
    inner: S,
    given: AnswersLayer,
}

impl<S> Service<Request<Body>> for Answers<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let is_stream = self.given.streams.contains(request.uri().path());
        let is_question = is_open_to_all(request.uri().path());
        let caller = request.extensions().get::<Caller>().cloned();
        let AnswersLayer { calls, budget, to_all, health, patience, stream_patience, .. } = &self.given;
        let tenant = caller.as_ref().map_or_else(|| Peer::of(&request).tenant(), Caller::tenant);
        let (room, patience, stream_patience) = match &caller {
            // Whoever makes a stream ends it first, and says why.
            Some(_) => (Room::of_caller(budget, calls, &tenant), *patience, *stream_patience + *patience),
            None => {
                let budget = if is_health(request.uri().path()) { health } else { to_all };
                let question = request.extensions_mut().remove::<Question>();
                (Room::of_question(budget, question, &tenant), QUESTION_PATIENCE, QUESTION_PATIENCE)
            }
        };
        // Who leaves answers lying about has no more of them made.
        if let Err(error) = room.begin() {
            return refused(error);
        }
        let delivery = request.extensions_mut().remove::<Delivery>();
        request.extensions_mut().insert(room.clone());
        let is_read = is_question || is_read(request.uri().path());
        // Whoever ends itself, or makes the first key, still reads that answer.
        let ends_itself = request.uri().path().starts_with("/stillframe.v1.AccessService/");
        let keys = self.given.keys.clone();
        let packer = Packing::wanted(request.headers()).map(|to| Packer::new(to, self.given.turns.clone(), tenant));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let (mut head, body) = answer.await?.into_parts();
            if http_body::Body::is_end_stream(&body) {
                return Ok(Response::from_parts(head, body));
            }
            if let Some(packer) = &packer {
                packer.mark(&mut head.headers);
            }
            let mut ended: BoxFuture<'static, Error> = match caller {
                Some(caller) if !ends_itself => Box::pin(keys.ended(caller)),
                _ => Box::pin(std::future::pending()),
            };
            let taken = Taken::default();
            let (body, terms) = if is_stream {
                let ended = Box::pin(async move {
                    ended.await;
                    tokio::time::sleep(LAST_WORDS).await;
                });
                let watched = Watched { taken: taken.clone(), pace: 1, patience: stream_patience };
                (Body::new(Streamed::new(body, packer, room, taken)), Terms { watched, ended })
            } else {
                let parts = tokio::select! {
                    biased;
                    parts = whole(body, packer, &room, is_read) => parts,
                    error = &mut ended => Err(error.into()),
                };
                let parts = match parts {
                    Ok(parts) => parts,
                    Err(status) => return Ok(status.into_http()),
                };
                let held = Held::new(parts, room, taken.clone());
                let ended = Box::pin(async move { drop(ended.await) });
                (Body::new(held), Terms { watched: Watched { taken, pace: PACE, patience }, ended })
            };
            if let Some(delivery) = delivery {
                delivery.begin(terms);
            }
            Ok(Response::from_parts(head, body))
        })
    }
}

/// An answer of one message, which has room, as it goes out.
async fn whole(body: Body, packer: Option<Packer>, room: &Room, may_be_dropped: bool) -> Result<Parts, Status> {
    let parts = collect(body).await?;
    room.holds(parts.bytes(), may_be_dropped)?;
    let Some(packer) = packer else { return Ok(parts) };
    let parts = parts.packed(&packer).await?;
    room.packed(parts.bytes());
    Ok(parts)
}

fn refused<E: Send + 'static>(error: Error) -> BoxFuture<'static, Result<Response<Body>, E>> {
    Box::pin(std::future::ready(Ok(Status::from(error).into_http())))
}

fn is_health(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/")
}

/// Whether a call changes nothing: by the names that the AIPs give to those.
fn is_read(path: &str) -> bool {
    let method = path.rsplit('/').next().unwrap_or_default();
    ["Get", "List", "BatchGet", "Check"].iter().any(|start| method.starts_with(start))
}
