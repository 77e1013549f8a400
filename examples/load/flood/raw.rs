//! A client of HTTP/2 that does what no client library does: it gives no window, sends
//! half of a message, and reads no answer. It answers pings.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt;
use h2::{
    SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Request;
use tokio::{net::TcpStream, task::JoinHandle};
use tonic::Status;

use super::{answers::reason, attack::pass, ground::Ground};
use crate::Result;

/// How much of an answer is taken without being read: nothing of it, or all that there is.
pub const NOTHING: u32 = 0;
pub const ALL: u32 = 4 << 20;

/// What a call says of itself.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// `/package.Service/Method`
    pub path: &'a str,
    pub key: Option<&'a str>,
    /// The compression of its messages.
    pub encoding: Option<&'a str>,
    /// The one that it asks for.
    pub accepted: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub const fn new(path: &'a str) -> Self {
        Self { path, key: None, encoding: None, accepted: None }
    }

    pub const fn keyed(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub const fn compressed(self, encoding: &'a str) -> Self {
        Self { encoding: Some(encoding), ..self }
    }

    pub const fn accepting(self, encoding: &'a str) -> Self {
        Self { accepted: Some(encoding), ..self }
    }

    fn head(&self) -> http::Result<Request<()>> {
        let mut head = Request::post(format!("http://localhost{}", self.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(key) = self.key {
            head = head.header("authorization", format!("Bearer {key}"));
        }
        if let Some(encoding) = self.encoding {
            head = head.header("grpc-encoding", encoding);
        }
        if let Some(encoding) = self.accepted {
            head = head.header("grpc-accept-encoding", encoding);
        }
        head.body(())
    }
}

pub struct Connection {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Connection {
    /// Each answer may send so many bytes that nobody has read.
    pub async fn open(ground: &Ground, window: u32) -> Result<Self> {
        let socket = TcpStream::connect(ground.server.url().trim_start_matches("http://")).await?;
        socket.set_nodelay(true)?;
        let mut client = h2::client::Builder::new();
        // No more streams than the server has said.
        client.initial_window_size(window).initial_max_send_streams(1).max_local_error_reset_streams(None);
        let (requests, connection) = client.handshake(socket).await?;
        let driver = tokio::spawn(async move {
            // How it ends is seen by its streams.
            let _ = connection.await;
        });
        Ok(Self { requests, driver })
    }

    /// Starts a call with some bytes, which may be its last.
    pub fn begin(&self, call: Call<'_>, bytes: Bytes, end: bool) -> Result<Stream> {
        let (answer, mut sent) = self.requests.clone().send_request(call.head()?, false)?;
        sent.send_data(bytes, end)?;
        Ok(Stream { answer, _sent: sent })
    }

    /// A whole call, of which only counts how it ended.
    pub async fn ask(&self, ground: &Ground, call: Call<'_>, bytes: Bytes) {
        match self.begin(call, bytes, true) {
            Ok(stream) => ground.answers.count(stream.outcome().await),
            Err(error) => ground.answers.count(error.to_string()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A call under way; it is given up when this goes.
pub struct Stream {
    answer: ResponseFuture,
    /// Without it, what is sent has come to its end.
    _sent: SendStream<Bytes>,
}

impl Stream {
    /// Reads the answer to its end, and says how the call ended.
    pub async fn outcome(self) -> String {
        let ended = async {
            let answer = self.answer.await?;
            if let Some(status) = Status::from_header_map(answer.headers()) {
                return Ok(status);
            }
            let mut body = answer.into_body();
            while let Some(data) = body.data().await {
                body.flow_control().release_capacity(data?.len())?;
            }
            let trailers = body.trailers().await?.unwrap_or_default();
            Ok(Status::from_header_map(&trailers).unwrap_or_else(|| Status::unknown("no status")))
        };
        ended.await.map_or_else(broken, |status| said(&status))
    }

    /// How the call stands: open, or ended.
    fn state(self) -> String {
        let answer = match self.answer.now_or_never() {
            None => return "open".to_owned(),
            Some(Err(error)) => return broken(error),
            Some(Ok(answer)) => answer,
        };
        if let Some(status) = Status::from_header_map(answer.headers()) {
            return said(&status);
        }
        let mut body = answer.into_body();
        // No data comes through a window of nothing, but the end does.
        match body.data().now_or_never() {
            Some(Some(Err(error))) => broken(error),
            Some(None) => match body.trailers().now_or_never() {
                Some(Ok(Some(trailers))) => Status::from_header_map(&trailers).map_or("ended".into(), |one| said(&one)),
                _ => "ended".to_owned(),
            },
            None | Some(Some(Ok(_))) => "open, answered".to_owned(),
        }
    }
}

fn said(status: &Status) -> String {
    if status.code() == tonic::Code::Ok { "OK".to_owned() } else { reason(status) }
}

fn broken(error: h2::Error) -> String {
    error.reason().map_or_else(|| "connection lost".to_owned(), |reason| format!("{reason:?}"))
}

/// Very many equal calls that are only held.
pub struct Barrage<'a> {
    pub connections: usize,
    /// Of each connection.
    pub calls: usize,
    /// How much of each answer is taken.
    pub window: u32,
    pub call: Call<'a>,
    pub bytes: Bytes,
    /// Whether these are all that a call sends.
    pub end: bool,
}

impl Barrage<'_> {
    /// Holds them until then.
    pub async fn hold(&self, ground: &Ground, until: Instant) {
        let held = self.open(ground).await;
        pass(until).await;
        held.close(ground);
    }

    /// A server that refuses some of them has others to hold.
    pub async fn open(&self, ground: &Ground) -> Held {
        let mut held = Held::default();
        for _ in 0..self.connections {
            match Connection::open(ground, self.window).await {
                Ok(connection) => {
                    for _ in 0..self.calls {
                        match connection.begin(self.call, self.bytes.clone(), self.end) {
                            Ok(stream) => held.streams.push(stream),
                            Err(error) => ground.answers.count(error.to_string()),
                        }
                    }
                    held.connections.push(connection);
                }
                Err(error) => ground.answers.count(format!("connect: {error}")),
            }
        }
        held
    }
}

/// What is open of them.
#[derive(Default)]
pub struct Held {
    streams: Vec<Stream>,
    connections: Vec<Connection>,
}

impl Held {
    /// Lets go, and counts how the calls stood.
    pub fn close(self, ground: &Ground) {
        let Self { streams, connections } = self;
        for stream in streams {
            ground.answers.count(stream.state());
        }
        drop(connections);
    }
}

/// A message as it travels, or the beginning of one of which more is announced.
pub fn frame(compressed: bool, announced: usize, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + bytes.len());
    frame.put_u8(u8::from(compressed));
    frame.put_u32(announced as u32);
    frame.put_slice(bytes);
    frame.freeze()
}

pub fn whole(message: &[u8]) -> Bytes {
    frame(false, message.len(), message)
}
