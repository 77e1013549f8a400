//! The bodies of answers, which count until the last byte is written.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tonic::{Status, body::Body};

use super::room::Room;
use crate::{rpc::delivery::Taken, share::Share};

/// What the implementation of HTTP/2 is given at once. It keeps what it has been given.
const PIECE_BYTES: usize = 16 << 10;

/// Bytes that count for as long as anybody has them.
struct Piece<K> {
    bytes: Bytes,
    taken: Taken,
    _room: K,
}

impl<K: Send + 'static> Piece<K> {
    fn counted(bytes: Bytes, taken: &Taken, room: K) -> Bytes {
        taken.gives(bytes.len());
        Bytes::from_owner(Self { bytes, taken: taken.clone(), _room: room })
    }
}

impl<K> AsRef<[u8]> for Piece<K> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<K> Drop for Piece<K> {
    fn drop(&mut self) {
        self.taken.takes(self.bytes.len());
    }
}

/// A whole answer.
pub struct Parts {
    data: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Parts {
    /// Of how many bytes.
    pub fn bytes(&self) -> usize {
        self.data.iter().map(Bytes::len).sum()
    }
}

/// Takes an answer of one message, which is there.
pub async fn collect(mut body: Body) -> Result<Parts, Status> {
    let mut parts = Parts { data: VecDeque::new(), trailers: None };
    let next = |body: &mut Body, context: &mut Context<'_>| http_body::Body::poll_frame(Pin::new(body), context);
    while let Some(frame) = std::future::poll_fn(|context| next(&mut body, context)).await {
        match frame?.into_data() {
            Ok(data) => parts.data.push_back(data),
            Err(other) => parts.trailers = other.into_trailers().ok().or(parts.trailers),
        }
    }
    Ok(parts)
}

/// A whole answer, given out piece by piece.
pub struct Held {
    parts: Parts,
    room: Room,
    taken: Taken,
}

impl Held {
    /// Counts it in its room until the last piece is gone.
    pub fn new(parts: Parts, room: Room, taken: Taken) -> Self {
        Self { parts, room, taken }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { parts: Parts { data, trailers }, room, taken } = &mut *self;
        let Some(first) = data.front_mut() else {
            return Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        };
        let piece = first.split_to(first.len().min(PIECE_BYTES));
        if first.is_empty() {
            data.pop_front();
        }
        Poll::Ready(Some(Ok(Frame::data(Piece::counted(piece, taken, room.clone())))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.data.is_empty() && self.parts.trailers.is_none()
    }
}

/// A stream, whose messages have made room for themselves.
pub struct Streamed {
    body: Body,
    room: Room,
    taken: Taken,
}

impl Streamed {
    /// Counts what of a body waits for its client.
    pub fn new(body: Body, room: Room, taken: Taken) -> Self {
        Self { body, room, taken }
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, room, taken } = &mut *self;
        let frame = ready!(Pin::new(body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                frame.map_data(|bytes| {
                    let shares: Vec<Share> = room.of_bytes(bytes.len());
                    Piece::counted(bytes, taken, shares)
                })
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
