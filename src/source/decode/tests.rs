use async_compression::{Level, tokio::write::ZstdEncoder, zstd::CParameter};
use futures::executor::block_on;
use proptest::{collection::vec, prelude::*};
use tokio::io::AsyncWriteExt;

use super::super::testing::{Chunks, broken_off, cut, pack, whole, zstd_bomb};
use super::*;

const PACKED: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

/// What can be read, and why no more.
fn read(stream: Chunks, compression: Compression) -> (Vec<u8>, Option<ReadError>) {
    block_on(async {
        let mut decoded = decode(stream, compression);
        let mut bytes = Vec::new();
        loop {
            match decoded.fill().await {
                Ok([]) => return (bytes, None),
                Ok(chunk) => bytes.extend_from_slice(chunk),
                Err(error) => return (bytes, Some(error)),
            }
            decoded.consume(bytes.len() - usize::try_from(decoded.position()).unwrap());
        }
    })
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| b'a' + u8::try_from(i * i % 23).unwrap()).collect()
}

fn zstd_with(bytes: &[u8], params: &[CParameter]) -> Vec<u8> {
    block_on(async {
        let mut encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Precise(3), params);
        // Flushed in the middle, so that the encoder cannot know the size and adapt the window to it.
        encoder.write_all(bytes).await.unwrap();
        encoder.flush().await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    })
}

#[test]
fn members_and_frames_follow_each_other() {
    let parts = [text(100_000), Vec::new(), text(3), text(70_000)];
    for compression in PACKED {
        let packed: Vec<u8> = parts.iter().flat_map(|part| pack(part, compression)).collect();
        for sizes in [&[usize::MAX][..], &[1], &[0, 7], &[1000]] {
            let (bytes, error) = read(cut(packed.clone(), sizes), compression);
            assert!(error.is_none(), "{compression} {sizes:?}: {error:?}");
            assert!(bytes == parts.concat(), "{compression} {sizes:?}");
        }
    }
}

#[test]
fn skippable_frames_are_skipped() {
    let skippable = [&[0x5A, 0x2A, 0x4D, 0x18, 5, 0, 0, 0][..], b"12345"].concat();
    let frames =
        [pack(b"one", Compression::Zstd), skippable.clone(), pack(b"two", Compression::Zstd), skippable].concat();
    for sizes in [&[usize::MAX][..], &[1]] {
        let (bytes, error) = read(cut(frames.clone(), sizes), Compression::Zstd);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(bytes, b"onetwo");
    }
}

#[test]
fn what_precedes_a_cut_is_delivered() {
    for compression in PACKED {
        let (first, second) = (pack(&text(50_000), compression), pack(&text(50_000), compression));
        let packed = [first.clone(), second].concat();
        for length in [first.len() + 1, first.len() + 12, packed.len() - 5, packed.len() - 1] {
            let (bytes, error) = read(whole(packed[..length].to_vec()), compression);
            assert!(matches!(error, Some(ReadError::Truncated(c)) if c == compression), "{length}: {error:?}");
            assert!(bytes.starts_with(&text(50_000)), "{compression} {length}");
        }
        assert!(read(whole(packed[..first.len()].to_vec()), compression).1.is_none());
        let (bytes, error) = read(whole(Vec::new()), compression);
        assert!(bytes.is_empty() && matches!(error, Some(ReadError::Truncated(_))), "{error:?}");
    }
}

#[test]
fn damage_is_found_after_what_precedes_it() {
    for compression in PACKED {
        let sound = pack(&text(50_000), compression);
        let garbage = [sound.clone(), b"garbage!".to_vec()].concat();
        let (bytes, error) = read(whole(garbage), compression);
        assert!(matches!(error, Some(ReadError::Corrupt { .. })), "{error:?}");
        assert!(bytes == text(50_000));
        let mut flipped = sound;
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0x55;
        // zstd without a checksum may not notice; gzip always has one.
        let (bytes, error) = read(whole(flipped), compression);
        assert!(error.is_some() || compression == Compression::Zstd && bytes.len() <= 50_000, "{compression}");
        let (bytes, error) = read(whole(&b"{\"a\":1}\n{\"a\":2}\n"[..]), compression);
        assert!(bytes.is_empty() && matches!(error, Some(ReadError::Corrupt { .. })), "{error:?}");
    }
}

#[test]
fn a_wrong_checksum_shows_at_the_end() {
    let sound = pack(&text(50_000), Compression::Gzip);
    for at in [8, 4] {
        let mut packed = sound.clone();
        let at = packed.len() - at;
        packed[at] ^= 1;
        let (bytes, error) = read(whole(packed), Compression::Gzip);
        assert!(bytes == text(50_000) && matches!(error, Some(ReadError::Corrupt { .. })), "{error:?}");
    }
}

#[test]
fn zeros_behind_a_member_are_passed_over() {
    let member = |bytes: &[u8]| pack(bytes, Compression::Gzip);
    for zeros in [1, 511, 100_000] {
        let zeros = vec![0; zeros];
        let packed = [member(b"one"), zeros.clone(), member(b""), member(b"two"), zeros.clone()].concat();
        for sizes in [&[usize::MAX][..], &[1], &[7, 512]] {
            let (bytes, error) = read(cut(packed.clone(), sizes), Compression::Gzip);
            assert!(error.is_none() && bytes == b"onetwo", "{error:?}");
        }
        let (bytes, error) =
            read(whole([member(b"one"), zeros.clone(), b"garbage!".to_vec()].concat()), Compression::Gzip);
        assert!(bytes == b"one" && matches!(error, Some(ReadError::Corrupt { .. })), "{error:?}");
        // A member must begin the object.
        let (bytes, error) = read(whole([zeros, member(b"one")].concat()), Compression::Gzip);
        assert!(bytes.is_empty() && error.is_some());
    }
}

#[test]
fn reserved_flags_are_refused() {
    for flag in 0..8_u8 {
        let mut packed = pack(&text(50_000), Compression::Gzip);
        packed[3] |= 1 << flag;
        for sizes in [&[usize::MAX][..], &[1]] {
            let first = cut(packed.clone(), sizes);
            let second = cut([pack(b"one", Compression::Gzip), packed.clone()].concat(), sizes);
            for (stream, before) in [(first, &b""[..]), (second, b"one")] {
                let (bytes, error) = read(stream, Compression::Gzip);
                let told = error.map(|error| error.to_string()).unwrap_or_default();
                assert_eq!(
                    told == "the object is not sound gzip data: a reserved flag is set",
                    flag >= 5,
                    "{flag}: {told}"
                );
                assert!(flag < 5 || bytes == before, "{flag}");
            }
        }
    }
}

#[test]
fn a_failing_stream_gives_what_it_gave() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let packed = pack(&text(50_000), compression);
        let (bytes, error) = read(broken_off(packed), compression);
        assert!(error.as_ref().is_some_and(ReadError::is_transient), "{error:?}");
        assert!(bytes == text(50_000), "{compression}");
    }
    let half = pack(&text(50_000), Compression::Gzip)[..100].to_vec();
    let (bytes, error) = read(broken_off(half), Compression::Gzip);
    assert!(error.is_some_and(|error| error.is_transient()) && !bytes.is_empty());
}

#[test]
fn windows_are_bounded() {
    let bytes = text(300_000);
    let (read_back, error) = read(whole(zstd_with(&bytes, &[CParameter::window_log(23)])), Compression::Zstd);
    assert!(error.is_none() && read_back == bytes, "{error:?}");
    for log in [24, 27] {
        let packed =
            [pack(b"before", Compression::Zstd), zstd_bomb(b'-', 2), zstd_with(&bytes, &[CParameter::window_log(log)])]
                .concat();
        for sizes in [&[usize::MAX][..], &[1]] {
            let (read_back, error) = read(cut(packed.clone(), sizes), Compression::Zstd);
            assert!(matches!(error, Some(ReadError::WindowTooLarge { window }) if window == 1 << log), "{error:?}");
            assert!(read_back.starts_with(b"before-") && read_back.len() == 6 + (2 << 17));
        }
    }
}

#[test]
fn frames_for_others_are_named() {
    let read_header = |header: &[u8]| read(whole(header.to_vec()), Compression::Zstd).1;
    for old in 0x22..=0x27 {
        assert!(matches!(read_header(&[old, 0xB5, 0x2F, 0xFD, 0, 0, 0]), Some(ReadError::OldZstd)));
    }
    assert!(matches!(read_header(&[0xFD, 0x2F, 0xB5, 0x1E, 0, 0, 0]), Some(ReadError::OldZstd)));
    let error = read_header(&[0x28, 0xB5, 0x2F, 0xFD, 0b0000_0001, 0, 7, 0, 0]);
    assert!(matches!(error, Some(ReadError::DictionaryNeeded)), "{error:?}");
    // All in one segment, of 16 MiB or of the largest size there is.
    let error = read_header(&[0x28, 0xB5, 0x2F, 0xFD, 0b1010_0000, 0, 0, 0, 1]);
    assert!(matches!(error, Some(ReadError::WindowTooLarge { window: 0x0100_0000 })), "{error:?}");
    let error = read_header(&[0x28, 0xB5, 0x2F, 0xFD, 0b1110_0000, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert!(matches!(error, Some(ReadError::WindowTooLarge { window: u64::MAX })), "{error:?}");
    assert_eq!(
        error.map(|e| e.to_string()),
        Some(
            "a zstd frame of the object needs a window of 18446744073709551615 bytes; at most 8388608 are allowed: \
             pack it again without --long and --ultra"
                .to_owned()
        )
    );
}

#[test]
fn a_bomb_is_what_it_says() {
    let (bytes, error) = read(whole(zstd_bomb(b' ', 40)), Compression::Zstd);
    assert!(error.is_none(), "{error:?}");
    assert!(bytes.len() == 40 << 17 && bytes.iter().all(|byte| *byte == b' '));
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        parts in vec(vec(any::<u8>(), 0..300), 0..4), sizes in vec(0_usize..40, 1..5), damage in any::<(prop::sample::Index, u8)>(),
        gzip: bool, checksum: bool, content_size: bool,
    ) {
        prop_assume!(sizes.iter().any(|size| *size > 0));
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let params = [CParameter::checksum_flag(checksum), CParameter::content_size_flag(content_size)];
        let packed: Vec<u8> = parts.iter().flat_map(|part| if gzip { pack(part, compression) } else { zstd_with(part, &params) }).collect();
        if !parts.is_empty() {
            let (bytes, error) = read(cut(packed.clone(), &sizes), compression);
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert_eq!(bytes, parts.concat());
            let mut damaged = packed;
            let at = damage.0.index(damaged.len());
            damaged[at] ^= damage.1;
            let (once, first) = read(whole(damaged.clone()), compression);
            let (pieces, second) = read(cut(damaged, &sizes), compression);
            prop_assert_eq!(first.is_some(), second.is_some(), "{:?} {:?}", first, second);
            if first.is_none() { prop_assert_eq!(once, pieces); }
        }
    }

    #[test]
    fn garbage_never_panics(bytes in vec(any::<u8>(), 0..200), magic: bool, gzip: bool) {
        let head: &[u8] = match (magic, gzip) { (false, _) => &[], (_, true) => &[0x1F, 0x8B, 8], (_, false) => &[0x28, 0xB5, 0x2F, 0xFD] };
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let bytes = [head, &bytes].concat();
        let (once, _) = read(whole(bytes.clone()), compression);
        let (pieces, _) = read(cut(bytes, &[1]), compression);
        prop_assert!(once.starts_with(&pieces) || pieces.starts_with(&once));
    }
}
