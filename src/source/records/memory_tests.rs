//! O3: memory is bounded, whatever the object.

use futures::executor::block_on;

use super::super::{
    decode::decode,
    format::Compression,
    testing::{cut, pack, whole, zstd_bomb},
};
use super::{tests::contents, *};

/// A quarter of a gigabyte in one record, in 8 kilobytes; what follows is read.
#[test]
fn a_bomb_is_passed_over_in_bounded_memory() {
    for (format, head, tail, good) in [
        (Format::NdJson, "", "\n{\"a\":1}\n", r#"{"a":1}"#),
        (Format::JsonArray, "[\"", "\",{\"a\":1}]", r#"{"a":1}"#),
        (Format::JsonArray, "[", ",{\"a\":1}]", r#"{"a":1}"#),
        (Format::Csv, "a\n", "\n1\n", r#"{"a":"1"}"#),
        (Format::Csv, "a\n\"", "\"\n1\n", r#"{"a":"1"}"#),
    ] {
        let zstd = |text: &str| pack(text.as_bytes(), Compression::Zstd);
        let packed = [zstd(head), zstd_bomb(b'a', 1 << 11), zstd(tail)].concat();
        assert!(packed.len() < 9_000);
        let mut records = Records::new(decode(whole(packed), Compression::Zstd), format);
        let first = block_on(records.next()).unwrap().unwrap();
        assert_eq!((first.number, first.content), (0, Err(BadRecord::TooLong)), "{format:?}");
        assert!(records.position() > 1 << 28);
        assert_eq!(contents(&[Record { number: 0, ..block_on(records.next()).unwrap().unwrap() }]), [good]);
        assert!(block_on(records.next()).unwrap().is_none());
        assert!(records.capacity() <= MAX_RECORD_BYTES + (16 << 10), "{format:?} {}", records.capacity());
    }
}

/// What is skipped is not even buffered.
#[test]
fn skipping_buffers_nothing() {
    let long = "x".repeat(1 << 20);
    for (format, object) in [
        (Format::NdJson, format!("{long}\n{long}\n1")),
        (Format::JsonArray, format!("[\"{long}\",[\"{long}\"],1]")),
        (Format::Csv, format!("a\n{long}\n\"{long}\"\n1")),
    ] {
        let mut records = Records::new(decode(cut(object, &[1000, 1 << 16]), Compression::None), format);
        records.skip_to(2);
        assert_eq!(block_on(records.next()).unwrap().unwrap().number, 2);
        assert!(records.capacity() <= 8 << 10, "{format:?} {}", records.capacity());
    }
}

/// A stream that never waits must not keep the thread from others.
#[tokio::test]
async fn a_bomb_lets_others_have_their_turn() {
    let mut records = Records::new(decode(whole(zstd_bomb(b' ', 1 << 8)), Compression::Zstd), Format::NdJson);
    assert!(futures::poll!(Box::pin(records.next())).is_pending());
    assert!(records.position() > 0);
    assert!(records.next().await.unwrap().is_none());
}
