//! The bodies of answers, which count until the last byte is written.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body};

use super::{packer::Packer, room::Room};
use crate::{rpc::transport::delivery::Taken, share::Share};

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

    /// The same, packed.
    pub async fn packed(mut self, packer: &Packer) -> Result<Self, Status> {
        for data in &mut self.data {
            *data = packer.pack(std::mem::take(data)).await?;
        }
        Ok(self)
    }
}

/// Takes an answer of one message, which is there.
pub async fn collect(mut body: Body) -> Result<Parts, Status> {
    let mut parts = Parts { data: VecDeque::new(), trailers: None };
    let next = |body: &mut Body, context: &mut Context<'_>| Pin::new(body).poll_frame(context);
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
    packer: Option<Packer>,
    /// What of it is being packed.
    packing: Option<BoxFuture<'static, Result<Bytes, Status>>>,
    room: Room,
    taken: Taken,
}

impl Streamed {
    /// Counts what of a body waits for its client, packed if there is somebody to do it.
    pub fn new(body: Body, packer: Option<Packer>, room: Room, taken: Taken) -> Self {
        Self { body, packer, packing: None, room, taken }
    }

    /// The next part of it, packed.
    fn poll_packed(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.packing.is_none() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            let Some(packer) = self.packer.clone() else { return Poll::Ready(Some(Ok(frame))) };
            match frame.into_data() {
                Ok(data) => self.packing = Some(Box::pin(async move { packer.pack(data).await })),
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let Some(packing) = &mut self.packing else { return Poll::Pending };
        let packed = ready!(packing.as_mut().poll(context));
        self.packing = None;
        Poll::Ready(Some(packed.map(Frame::data)))
    }
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(self.poll_packed(context));
        let Self { room, taken, .. } = &*self;
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
        self.packing.is_none() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::{
        rpc::layer::answers::packer::{
            Packing,
            tests::{message, tenant, unpacked},
        },
        share::{Budget, Division, Turns},
    };

    /// Messages that are all there.
    struct Messages(VecDeque<Vec<u8>>);

    impl http_body::Body for Messages {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            let next = self.0.pop_front().map(|message| Ok(Frame::data(message.into())));
            Poll::Ready(next.or_else(|| Some(Ok(Frame::trailers(HeaderMap::new())))))
        }
    }

    fn stream(turns: Option<&Turns>, messages: [Vec<u8>; 3]) -> Streamed {
        let packer = turns.map(|turns| Packer::new(Packing::Gzip, turns.clone(), tenant("a")));
        let budget = Budget::new("bytes", Division::of(1 << 30));
        let room = Room::of_question(&budget, None, &tenant("a"));
        Streamed::new(Body::new(Messages(messages.into())), packer, room, Taken::default())
    }

    /// What comes at once.
    fn next(body: &mut Streamed) -> Option<Frame<Bytes>> {
        let mut body = Pin::new(body);
        let next = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).now_or_never();
        next.map(|next| next.unwrap().unwrap())
    }

    #[tokio::test]
    async fn the_messages_of_a_stream_wait_for_a_turn_to_be_packed() {
        let turns = Turns::of(1);
        let messages = [message(0, b"small"), message(0, &vec![7; 1 << 20]), message(0, b"last")];
        let mut packed = stream(Some(&turns), messages.clone());
        let turn = turns.take(&tenant("b")).await;
        assert_eq!(unpacked(&next(&mut packed).unwrap().into_data().unwrap()), messages[0]);
        assert!(next(&mut packed).is_none() && next(&mut packed).is_none());
        assert!(!packed.taken.is_waiting(), "nothing waits for its client");
        // Of one that is not to be packed nothing waits.
        let mut plain = stream(None, messages.clone());
        for message in &messages {
            assert_eq!(next(&mut plain).unwrap().into_data().unwrap(), message);
        }
        drop(turn);
        for message in &messages[1..] {
            assert_eq!(unpacked(&next(&mut packed).unwrap().into_data().unwrap()), *message);
        }
        assert!(next(&mut packed).unwrap().is_trailers());
    }

    #[tokio::test]
    async fn who_goes_away_has_no_turn() {
        let turns = Turns::of(1);
        let mut gone = stream(Some(&turns), [(); 3].map(|()| message(0, &vec![7; 1 << 20])));
        let turn = turns.take(&tenant("b")).await;
        assert!(next(&mut gone).is_none());
        drop(turn);
        // It was called, and does not come.
        drop(gone);
        assert!(turns.take(&tenant("b")).now_or_never().is_some());
    }
}
