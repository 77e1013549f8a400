//! What comes from a client, with small DATA frames of a stream joined into large ones.
//!
//! A client that sends each document in a message of its own, without waiting, has tens of
//! thousands of small frames under way. Each costs the HTTP/2 implementation some hundred
//! bytes until its stream is read, whatever is in it, so that gives up a connection with too
//! many of them unread. Joined, they cost what they hold.
//!
//! Only frames that were read together are joined: none waits for another. DATA of a stream
//! comes before what the client sent on other streams in between, whose order HTTP/2 leaves
//! open, and never before anything else of its own stream or of the connection: behind the
//! client's answer to our settings its windows are larger.
//!
//! A long DATA frame goes on in parts, as it comes: of one that is not whole nobody can take
//! anything. A frame of a kind that HTTP/2 does not know goes nowhere, and a long one of any other
//! kind ends its connection: either would only fill the buffer that the others are read from.

use std::{collections::HashMap, task::Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::ReadBuf;

/// Three bytes of length, kind, flags, four bytes of stream.
const HEAD: usize = 9;
/// The first bit means nothing.
const STREAM: u32 = u32::MAX >> 1;
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
/// The last kind of HTTP/2 itself, CONTINUATION. Others may be of extensions, and whoever does
/// not know those is to pass over them.
const LAST_KIND: u8 = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = LAST_KIND;
/// The longest frame of headers: some clients send as many in one as a frame may have, and
/// HTTP/2 says that they are too many.
const HEADERS_BYTES: usize = 64 << 10;
/// More than a frame may have.
const TOO_LONG: u32 = (1 << 24) - 1;
const END_STREAM: u8 = 1;
/// The most that is joined, and the longest frame that is kept until it is whole: HTTP/2
/// lets nobody refuse one of this length.
const JOINED: usize = 16 << 10;

/// DATA that has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// Of it, without the heads of its frames.
    pub bytes: usize,
    /// Those that are not empty, as they go on.
    pub frames: usize,
}

/// Frames on their way from the client.
#[derive(Debug, Default)]
pub struct Frames {
    /// What was read and is not looked at, or the beginning of a frame.
    read: BytesMut,
    /// What is left of a long frame.
    long: Option<Long>,
    ready: BytesMut,
    /// Streams that the client has reset.
    resets: u64,
    came: Came,
    /// What of that is of a frame which has not come to its end, and of which nothing can be
    /// used before.
    of_a_part: usize,
}

/// A frame that is not kept until it is whole.
#[derive(Debug)]
struct Long {
    left: usize,
    goes: Goes,
}

/// How a long frame goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    /// As it comes.
    AsItCame { is_data: bool },
    /// In frames of its kind, so that what has come of it can be taken.
    InParts { stream: u32, is_end: bool },
    /// Not at all.
    Nowhere,
}

/// What goes on together.
enum Piece {
    AsItCame(Bytes),
    Data { stream: u32, is_end: bool, length: usize, parts: Vec<Bytes> },
}

struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    fn of(mut bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= HEAD).then(|| {
            let length_and_kind = bytes.get_u32();
            let [.., kind] = length_and_kind.to_be_bytes();
            Self {
                length: (length_and_kind >> 8) as usize,
                kind,
                flags: bytes.get_u8(),
                stream: bytes.get_u32() & STREAM,
            }
        })
    }

    /// Nothing goes before this frame that comes behind it.
    fn end_joining(&self, open: &mut HashMap<u32, usize>) {
        if self.stream == 0 {
            open.clear();
        } else {
            open.remove(&self.stream);
        }
    }

    fn may_be_long(&self) -> bool {
        match self.kind {
            DATA => true,
            HEADERS | CONTINUATION => self.length <= HEADERS_BYTES,
            _ => false,
        }
    }

    /// DATA without padding or anything else that is not known here.
    fn is_plain_data(&self) -> bool {
        self.kind == DATA && self.flags & !END_STREAM == 0 && (self.length > 0 || self.flags == END_STREAM)
    }
}

impl Frames {
    /// Where to put what is read.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.read
    }

    /// Streams that the client has reset since this was asked last.
    pub fn take_resets(&mut self) -> u64 {
        std::mem::take(&mut self.resets)
    }

    /// DATA that came since this was asked last.
    pub fn take_came(&mut self) -> Came {
        std::mem::take(&mut self.came)
    }

    /// Bytes of DATA that have come of a frame of which nothing can be used yet.
    pub fn of_a_part(&self) -> usize {
        self.of_a_part
    }

    /// Hands on what is ready. Returns whether there was anything.
    pub fn take(&mut self, into: &mut ReadBuf<'_>) -> bool {
        let count = self.ready.len().min(into.remaining());
        into.put_slice(&self.ready.split_to(count));
        if self.ready.is_empty() {
            // A connection that is quiet holds no memory.
            self.ready = BytesMut::new();
            if self.read.is_empty() {
                self.read = BytesMut::new();
            }
        }
        count > 0
    }

    /// Nothing more comes: the beginning of a frame goes on, too, for it to be told.
    pub fn end(&mut self) {
        self.join();
        if let Some(Long { left, goes: Goes::InParts { stream, is_end } }) = self.long.take() {
            put_head(&mut self.ready, left, is_end, stream);
        }
        self.ready.unsplit(self.read.split());
    }

    /// Looks at what was read, as far as it is whole.
    pub fn join(&mut self) {
        let (mut pieces, mut open) = (Vec::new(), HashMap::new());
        while let Some(piece) = self.next(&mut pieces, &mut open) {
            pieces.push(piece);
        }
        self.ready.reserve(pieces.iter().map(Piece::length).sum());
        for piece in pieces {
            if let Piece::Data { length, .. } = piece {
                self.came.bytes += length;
                self.came.frames += usize::from(length > 0);
            }
            piece.put(&mut self.ready);
        }
    }

    /// The next piece that cannot be joined to one before.
    fn next(&mut self, pieces: &mut [Piece], open: &mut HashMap<u32, usize>) -> Option<Piece> {
        loop {
            while self.long.is_some() {
                match self.go_on() {
                    Poll::Ready(Some(piece)) => return Some(piece),
                    Poll::Ready(None) => {}
                    Poll::Pending => return None,
                }
            }
            let head = Head::of(&self.read)?;
            if head.kind > LAST_KIND {
                self.read.advance(HEAD);
                self.long = Some(Long { left: head.length, goes: Goes::Nowhere });
                continue;
            }
            if head.length > JOINED {
                head.end_joining(open);
                let bytes = self.read.split_to(HEAD);
                if head.is_plain_data() {
                    let goes = Goes::InParts { stream: head.stream, is_end: head.flags == END_STREAM };
                    self.long = Some(Long { left: head.length, goes });
                    continue;
                }
                self.long = Some(Long { left: head.length, goes: Goes::AsItCame { is_data: head.kind == DATA } });
                return Some(Piece::AsItCame(if head.may_be_long() { bytes.freeze() } else { too_long(&bytes) }));
            }
            if self.read.len() < HEAD + head.length {
                return None;
            }
            let mut frame = self.read.split_to(HEAD + head.length).freeze();
            if head.kind == RST_STREAM {
                self.resets += 1;
            }
            if !head.is_plain_data() {
                if head.kind == DATA {
                    self.came.bytes += head.length;
                    self.came.frames += 1;
                }
                head.end_joining(open);
                return Some(Piece::AsItCame(frame));
            }
            let (payload, is_end) = (frame.split_off(HEAD), head.flags == END_STREAM);
            let before = open.get(&head.stream).copied();
            if is_end {
                open.remove(&head.stream);
            }
            if let Some(Piece::Data { is_end: ends, length, parts, .. }) = before.and_then(|at| pieces.get_mut(at))
                && *length + head.length <= JOINED
            {
                *length += head.length;
                *ends = is_end;
                parts.push(payload);
                continue;
            }
            if !is_end {
                open.insert(head.stream, pieces.len());
            }
            return Some(Piece::Data { stream: head.stream, is_end, length: head.length, parts: vec![payload] });
        }
    }

    /// What goes on of a long frame, if enough of it has come.
    fn go_on(&mut self) -> Poll<Option<Piece>> {
        let Self { read, long, came, of_a_part, .. } = self;
        let Some(Long { left, goes }) = long else { return Poll::Ready(None) };
        let least = if matches!(goes, Goes::InParts { .. }) { (*left).min(JOINED) } else { (*left).min(1) };
        if read.len() < least {
            return Poll::Pending;
        }
        let now = (*left).min(read.len());
        *left -= now;
        let (is_whole, goes) = (*left == 0, *goes);
        let bytes = read.split_to(now).freeze();
        let piece = match goes {
            Goes::Nowhere => None,
            Goes::AsItCame { is_data } => {
                if is_data {
                    came.bytes += now;
                    came.frames += usize::from(is_whole);
                    *of_a_part = if is_whole { 0 } else { *of_a_part + now };
                }
                Some(Piece::AsItCame(bytes))
            }
            Goes::InParts { stream, is_end } => {
                Some(Piece::Data { stream, is_end: is_end && is_whole, length: now, parts: vec![bytes] })
            }
        };
        if is_whole {
            *long = None;
        }
        Poll::Ready(piece)
    }
}

/// The head of a frame that nobody needs so long. HTTP/2 ends the connection for it, and does
/// not wait for what it says is coming.
fn too_long(head: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD);
    bytes.put_uint(TOO_LONG.into(), 3);
    bytes.put_slice(&head[3..]);
    bytes.freeze()
}

/// The head of a DATA frame.
fn put_head(into: &mut BytesMut, length: usize, is_end: bool, stream: u32) {
    into.put_uint(length as u64, 3);
    into.put_slice(&[DATA, u8::from(is_end) * END_STREAM]);
    into.put_u32(stream);
}

impl Piece {
    fn length(&self) -> usize {
        match self {
            Self::AsItCame(bytes) => bytes.len(),
            Self::Data { length, .. } => HEAD + length,
        }
    }

    fn put(self, into: &mut BytesMut) {
        match self {
            Self::AsItCame(bytes) => into.put(bytes),
            Self::Data { stream, is_end, length, parts } => {
                put_head(into, length, is_end, stream);
                for part in parts {
                    into.put(part);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
