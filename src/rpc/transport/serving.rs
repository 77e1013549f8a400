//! Serves calls on connections: each connection in a task, each of its calls in another.

use std::{convert::Infallible, pin::pin, time::Duration};

use futures::{Stream, StreamExt};
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2::Builder, service::Service as HttpService};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::Service;

use super::{
    call::Calling,
    connection::{CallTasks, Connection},
    settings::Transport,
    windows::CONNECTION_BYTES,
};

/// A third to a half less CPU per document than with HTTP/2's default.
const MAX_FRAME_BYTES: u32 = 256 << 10;
/// Streams that a client has reset before anybody has looked at them, for each that it may
/// have open. What a connection lets through at once holds fewer, unless it is a flood: that
/// is to end its connection (`connection.rs`).
const RESETS_PER_STREAM: usize = 4;
/// What we have answered with a reset in all of a connection's life, for each stream that it
/// may have open: what a client did wrong, and what was still on its way to a call that was
/// refused, message by message. It fills nothing, so this only ends what has no end.
const ERRORS_PER_STREAM: usize = 16 << 10;
/// Two messages of 1,000 documents can come while one is written: with less, one stream waits
/// for its client after each, at the cost of a tenth of its speed. What is there counts
/// (`connection/unread.rs`), and one stream leaves half of the connection's to others.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    max_streams: u32,
    keepalive_interval: Duration,
    keepalive_timeout: Duration,
    max_age: Duration,
    stranger_patience: Duration,
}

impl Settings {
    /// As the operator wants it.
    pub fn new(transport: &Transport) -> Self {
        Self {
            max_streams: transport.max_streams,
            keepalive_interval: transport.keepalive_interval,
            keepalive_timeout: transport.keepalive_timeout,
            max_age: transport.max_connection_age,
            stranger_patience: transport.stranger_patience,
        }
    }

    fn builder(self, calls: CallTasks) -> Builder<CallTasks> {
        let mut builder = Builder::new(calls);
        let streams = self.max_streams as usize;
        builder
            .timer(TokioTimer::new())
            .max_frame_size(MAX_FRAME_BYTES)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_BYTES)
            .max_concurrent_streams(self.max_streams)
            .max_pending_accept_reset_streams(streams.saturating_mul(RESETS_PER_STREAM))
            .max_local_error_reset_streams(streams.saturating_mul(ERRORS_PER_STREAM))
            .keep_alive_interval(self.keepalive_interval)
            .keep_alive_timeout(self.keepalive_timeout);
        builder
    }
}

/// Serves until `stop`, then finishes what is under way. What is left when this is dropped
/// is broken off.
#[allow(clippy::disallowed_methods, reason = "connections end with this")]
pub async fn serve<S>(
    connections: impl Stream<Item = Connection>,
    service: S,
    settings: Settings,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let (mut open, closing) = (JoinSet::new(), CancellationToken::new());
    {
        let (mut connections, mut stop) = (pin!(connections), pin!(stop));
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = open.join_next() => {}
                next = connections.next() => match next {
                    Some(connection) => {
                        open.spawn(connect(connection, service.clone(), settings, closing.clone()));
                    }
                    None => break,
                },
            }
        }
        // Nobody is let in any more.
    }
    closing.cancel();
    while open.join_next().await.is_some() {}
}

/// Serves one connection to its end. When it is old, or the server stops, the client is asked
/// to open no more streams.
async fn connect<S>(connection: Connection, service: S, settings: Settings, closing: CancellationToken)
where
    Calling<S>: HttpService<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    <Calling<S> as HttpService<Request<Incoming>>>::Future: Send + 'static,
{
    let calls = connection.calls();
    let builder = settings.builder(calls.clone());
    let calling = Calling::new(service, connection.peer(), calls.clone());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(connection), calling));
    let to_its_end = async {
        tokio::select! {
            ended = &mut connection => return ended,
            () = calls.0.forgotten(settings.stranger_patience) => {}
            () = sleep(settings.max_age) => {}
            () = closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    let ended = tokio::select! {
        ended = to_its_end => ended,
        // Somebody wants its place, whom it would keep out; be it that it was asked to end, for
        // what it has begun may take for ever.
        () = calls.0.outdone() => return,
    };
    if let Err(error) = ended {
        // Anybody can cause it as often as they like.
        tracing::debug!(%error, "a connection broke");
    }
}
