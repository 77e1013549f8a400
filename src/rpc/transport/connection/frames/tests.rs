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
