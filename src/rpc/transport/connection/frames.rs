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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PADDED: u8 = 8;
    const SETTINGS: u8 = 4;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Frame {
        kind: u8,
        flags: u8,
        stream: u32,
        payload: Vec<u8>,
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
        Frame { kind, flags, stream, payload: payload.to_vec() }
    }

    fn encode(frames: &[Frame]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for Frame { kind, flags, stream, payload } in frames {
            bytes.put_uint(payload.len() as u64, 3);
            bytes.put_slice(&[*kind, *flags]);
            bytes.put_u32(*stream);
            bytes.put_slice(payload);
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(Head { length, kind, flags, stream }) = Head::of(bytes) {
            frames.push(frame(kind, flags, stream, &bytes[HEAD..HEAD + length]));
            bytes.advance(HEAD + length);
        }
        assert!(bytes.is_empty(), "{bytes:?}");
        frames
    }

    /// What comes out when so much is read at a time.
    fn through(bytes: &[u8], at_once: usize) -> Vec<u8> {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        let mut space = vec![0; 1000];
        let mut take = |frames: &mut Frames| {
            loop {
                let mut into = ReadBuf::new(&mut space);
                if !frames.take(&mut into) {
                    return;
                }
                out.extend_from_slice(into.filled());
            }
        };
        for chunk in bytes.chunks(at_once) {
            frames.buffer().extend_from_slice(chunk);
            frames.join();
            take(&mut frames);
        }
        frames.end();
        take(&mut frames);
        out
    }

    #[test]
    fn small_data_of_a_stream_is_joined_over_that_of_others() {
        let came = [
            frame(DATA, 0, 1, b"a"),
            frame(DATA, 0, 3, b"x"),
            frame(DATA, 0, 1, b"b"),
            frame(HEADERS, 4, 5, b"h"),
            frame(DATA, END_STREAM, 3, b""),
            frame(DATA, 0, 1, b"c"),
        ];
        let goes = [frame(DATA, 0, 1, b"abc"), frame(DATA, END_STREAM, 3, b"x"), frame(HEADERS, 4, 5, b"h")];
        assert_eq!(decode(&through(&encode(&came), usize::MAX)), goes);
    }

    #[test]
    fn nothing_is_joined_over_anything_else_of_its_stream() {
        for came in [
            vec![frame(DATA, 0, 1, b"a"), frame(RST_STREAM, 0, 1, &[0; 4]), frame(DATA, 0, 1, b"b")],
            vec![frame(DATA, END_STREAM, 1, b"a"), frame(DATA, 0, 1, b"b")],
            vec![frame(DATA, 0, 1, b"a"), frame(SETTINGS, 1, 0, b""), frame(DATA, 0, 1, b"b")],
            vec![frame(DATA, 0, 1, b"a"), frame(DATA, PADDED, 1, b"\x01b\0"), frame(DATA, 0, 1, b"c")],
            vec![frame(DATA, 0, 1, b"a"), frame(DATA, 0, 1, b""), frame(DATA, 0, 1, b"c")],
            vec![frame(DATA, 0, 1, &[0; JOINED - 1]), frame(DATA, 0, 1, b"ab")],
        ] {
            assert_eq!(decode(&through(&encode(&came), usize::MAX)), came);
        }
    }

    #[test]
    fn a_crowd_of_small_messages_is_a_few_frames() {
        let message = frame(DATA, 0, 1, &[7; 50]);
        let goes = decode(&through(&encode(&vec![message; 10_000]), usize::MAX));
        assert!(goes.len() < 40, "{}", goes.len());
        assert_eq!(goes.iter().map(|frame| frame.payload.len()).sum::<usize>(), 500_000);
    }

    #[test]
    fn what_the_client_left_unfinished_goes_on_at_its_end() {
        let bytes = encode(&[frame(DATA, 0, 1, b"abc")]);
        for length in 0..bytes.len() {
            assert_eq!(through(&bytes[..length], 2), bytes[..length]);
        }
    }

    #[test]
    fn resets_are_counted_once() {
        let bytes = encode(&vec![frame(RST_STREAM, 0, 1, &[0; 4]); 3]);
        let mut frames = Frames::default();
        let mut count = 0;
        for byte in bytes {
            frames.buffer().put_u8(byte);
            frames.join();
            count += frames.take_resets();
        }
        assert_eq!(count, 3);
    }

    #[test]
    fn data_is_counted_once_as_it_comes() {
        let came = [
            frame(DATA, 0, 1, &[7; 3]),
            frame(HEADERS, 4, 3, b"h"),
            frame(DATA, END_STREAM, 3, &vec![7; JOINED + 1]),
            frame(DATA, END_STREAM, 1, b""),
            frame(DATA, PADDED, 5, &vec![7; JOINED + 1]),
        ];
        let mut frames = Frames::default();
        let mut all = Came::default();
        let mut parts = Vec::new();
        for byte in encode(&came) {
            frames.buffer().put_u8(byte);
            frames.join();
            let Came { bytes, frames: count } = frames.take_came();
            all = Came { bytes: all.bytes + bytes, frames: all.frames + count };
            parts.push(frames.of_a_part());
        }
        assert_eq!(all, Came { bytes: 3 + 2 * (JOINED + 1), frames: 4 });
        assert_eq!((parts.iter().max(), parts.last()), (Some(&JOINED), Some(&0)), "nobody can use half of padding");
    }

    #[test]
    fn long_data_goes_on_in_parts() {
        let bytes = encode(&[frame(DATA, END_STREAM, 1, &vec![7; 3 * JOINED + 1]), frame(DATA, 0, 3, b"a")]);
        let goes = decode(&through(&bytes, 10));
        let parts = goes.iter().filter(|frame| frame.stream == 1).collect::<Vec<_>>();
        assert_eq!(parts.iter().map(|part| part.payload.len()).sum::<usize>(), 3 * JOINED + 1);
        let (last, others) = parts.split_last().unwrap();
        assert!(last.flags == END_STREAM && others.len() > 1);
        assert!(others.iter().all(|part| part.flags == 0 && part.payload.len() >= JOINED));
        assert_eq!(goes.last(), Some(&frame(DATA, 0, 3, b"a")));
        // What is there of one that ends is told as it is.
        let cut = through(&bytes[..HEAD + JOINED + 5], usize::MAX);
        assert_eq!(cut.len(), 2 * HEAD + JOINED + 5);
    }

    #[test]
    fn what_http2_does_not_know_goes_nowhere() {
        let unknown = |length| frame(LAST_KIND + 1, 0, 1, &vec![7; length]);
        let came = [frame(DATA, 0, 1, b"a"), unknown(0), unknown(3), unknown(JOINED + 1), frame(DATA, 0, 1, b"b")];
        for at_once in [1, usize::MAX] {
            let goes = decode(&through(&encode(&came), at_once));
            assert_eq!(goes.iter().flat_map(|frame| &frame.payload).copied().collect::<Vec<_>>(), b"ab");
        }
    }

    #[test]
    fn nobody_needs_other_frames_so_long() {
        for kind in 1..=LAST_KIND {
            let most = if matches!(kind, HEADERS | CONTINUATION) { HEADERS_BYTES } else { JOINED };
            let whole = encode(&[frame(kind, 0, 1, &vec![0; most])]);
            assert_eq!(through(&whole, 1_000), whole);
            let goes = through(&encode(&[frame(kind, 0, 1, &vec![0; most + 1])]), usize::MAX);
            assert_eq!(Head::of(&goes).unwrap().length, TOO_LONG as usize);
        }
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let length = prop_oneof![0..4_usize, 250..260_usize, 16_380..16_390_usize, 30_000..30_010_usize];
        let kind = prop_oneof![4 => Just(DATA), 1 => 0..=LAST_KIND];
        let flags = prop_oneof![8 => Just(0), 1 => Just(END_STREAM), 1 => any::<u8>()];
        (kind, flags, 0..4_u32, length, any::<u8>()).prop_map(|(kind, flags, stream, length, byte)| {
            let length = if kind == DATA { length } else { length.min(JOINED) };
            frame(kind, flags, stream, &vec![byte; length])
        })
    }

    /// The bytes of each stream's DATA and what is between them, but not where they were cut.
    fn of_streams(frames: &[Frame]) -> HashMap<u32, Vec<Frame>> {
        let mut streams: HashMap<u32, Vec<Frame>> = HashMap::new();
        for frame in frames {
            let stream = streams.entry(frame.stream).or_default();
            match stream.last_mut() {
                Some(last)
                    if last.kind == DATA && frame.kind == DATA && last.flags == 0 && frame.flags & !END_STREAM == 0 =>
                {
                    last.payload.extend_from_slice(&frame.payload);
                    last.flags = frame.flags;
                }
                _ => stream.push(frame.clone()),
            }
        }
        streams
    }

    proptest! {
        #[test]
        fn every_stream_gets_what_was_sent_on_it(
            came in prop::collection::vec(any_frame(), 0..12), at_once in prop_oneof![1..40_usize, 1000..40_000_usize],
        ) {
            let goes = decode(&through(&encode(&came), at_once));
            prop_assert_eq!(of_streams(&goes), of_streams(&came));
            // All that is no DATA keeps its order.
            let others = |frames: &[Frame]| frames.iter().filter(|frame| frame.kind != DATA).cloned().collect::<Vec<_>>();
            prop_assert_eq!(others(&goes), others(&came));
        }
    }
}
