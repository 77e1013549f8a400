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

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::ReadBuf;

/// Three bytes of length, kind, flags, four bytes of stream.
const HEAD: usize = 9;
/// The first bit means nothing.
const STREAM: u32 = u32::MAX >> 1;
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;
/// A frame with less than this is worth joining to another.
const SMALL: usize = 256;
/// The most that is joined, and the longest frame that is kept until it is whole: HTTP/2
/// lets nobody refuse one of this length.
const JOINED: usize = 16 << 10;

/// Frames on their way from the client.
#[derive(Debug, Default)]
pub struct Frames {
    /// What was read and is not looked at, or the beginning of a frame.
    read: BytesMut,
    /// What is left of a long frame, which goes through as it comes.
    passing: usize,
    /// What has gone of it, if it is DATA.
    passed: Option<usize>,
    ready: BytesMut,
    /// Streams that the client has reset.
    resets: u64,
    /// Bytes of DATA.
    data: usize,
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

    /// Bytes of DATA that came since this was asked last.
    pub fn take_data(&mut self) -> usize {
        std::mem::take(&mut self.data)
    }

    /// Bytes of DATA that have come of a frame which has not come to its end.
    pub fn data_of_a_part(&self) -> usize {
        if self.passing > 0 { self.passed.unwrap_or_default() } else { 0 }
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
            piece.put(&mut self.ready);
        }
    }

    /// The next piece that cannot be joined to one before.
    fn next(&mut self, pieces: &mut [Piece], open: &mut HashMap<u32, usize>) -> Option<Piece> {
        loop {
            if self.passing > 0 && !self.read.is_empty() {
                let now = self.passing.min(self.read.len());
                self.passing -= now;
                if let Some(passed) = &mut self.passed {
                    *passed += now;
                    self.data += now;
                }
                return Some(Piece::AsItCame(self.read.split_to(now).freeze()));
            }
            let head = Head::of(&self.read)?;
            if head.length > JOINED {
                head.end_joining(open);
                self.passing = head.length;
                self.passed = (head.kind == DATA).then_some(0);
                return Some(Piece::AsItCame(self.read.split_to(HEAD).freeze()));
            }
            if self.read.len() < HEAD + head.length {
                return None;
            }
            let mut frame = self.read.split_to(HEAD + head.length).freeze();
            match head.kind {
                RST_STREAM => self.resets += 1,
                DATA => self.data += head.length,
                _ => {}
            }
            if !head.is_plain_data() {
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
                && (head.length < SMALL || *length < SMALL)
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
                into.put_uint(length as u64, 3);
                into.put_slice(&[DATA, u8::from(is_end) * END_STREAM]);
                into.put_u32(stream);
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
    const HEADERS: u8 = 1;
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
            vec![frame(DATA, 0, 1, &[0; SMALL]), frame(DATA, 0, 1, &[0; SMALL])],
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
        let came = [frame(DATA, 0, 1, &[7; 3]), frame(HEADERS, 4, 3, b"h"), frame(DATA, 0, 3, &vec![7; JOINED + 1])];
        let mut frames = Frames::default();
        let mut count = 0;
        let mut before_the_last = (0, 0);
        for byte in encode(&came) {
            frames.buffer().put_u8(byte);
            frames.join();
            before_the_last = (count, frames.data_of_a_part());
            count += frames.take_data();
        }
        // Before the last byte was counted, and with all but that of the long frame.
        assert_eq!((before_the_last, count), ((3 + JOINED, 0), 3 + JOINED + 1));
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let length = prop_oneof![0..4_usize, 250..260_usize, 16_380..16_390_usize, 30_000..30_010_usize];
        let kind = prop_oneof![4 => Just(DATA), 1 => 0..10_u8];
        let flags = prop_oneof![8 => Just(0), 1 => Just(END_STREAM), 1 => any::<u8>()];
        (kind, flags, 0..4_u32, length, any::<u8>())
            .prop_map(|(kind, flags, stream, length, byte)| frame(kind, flags, stream, &vec![byte; length]))
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
