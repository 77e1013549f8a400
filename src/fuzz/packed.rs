//! gzip and zstd. The same bytes unpack to the same, however they are cut, or
//! fail however they are cut; nobody takes them for both; and what is packed here
//! is unpacked.

use futures::executor::block_on;

use super::records::sizes;
use crate::source::{
    decode::decode,
    format::Compression,
    testing::{Chunks, cut, pack, whole},
};

/// A few bytes may stand for gigabytes: what is behind this is not looked at.
const ENOUGH: usize = 1 << 20;

pub fn packed(data: &[u8]) {
    let sound = [Compression::Gzip, Compression::Zstd].map(|compression| is_sound(data, compression));
    assert_ne!(sound, [true, true]);
    let compression = if data.len().is_multiple_of(2) { Compression::Gzip } else { Compression::Zstd };
    let (unpacked, end) = read(cut(pack(data, compression), &sizes(data)), compression);
    assert!(unpacked == data && end == End::Sound, "{compression}: {end:?}");
}

fn is_sound(data: &[u8], compression: Compression) -> bool {
    let (once, first) = read(whole(data.to_vec()), compression);
    for sizes in [sizes(data), vec![if data.len() > 4096 { 61 } else { 1 }]] {
        let (pieces, second) = read(cut(data.to_vec(), &sizes), compression);
        // Before damage, more or less may have been unpacked.
        assert!(once.starts_with(&pieces) || pieces.starts_with(&once), "{compression} in chunks of {sizes:?}");
        if first != End::Open && second != End::Open {
            assert_eq!(first, second, "{compression} in chunks of {sizes:?}");
            assert!(first == End::Failed || once.len() == pieces.len());
        }
    }
    first == End::Sound
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Sound,
    Failed,
    /// Not reached.
    Open,
}

fn read(stream: Chunks, compression: Compression) -> (Vec<u8>, End) {
    let mut decoded = decode(stream, compression);
    let mut bytes = Vec::new();
    while bytes.len() < ENOUGH {
        let count = match block_on(decoded.fill()) {
            Ok([]) => return (bytes, End::Sound),
            Ok(chunk) => {
                bytes.extend_from_slice(chunk);
                chunk.len()
            }
            Err(_) => return (bytes, End::Failed),
        };
        decoded.consume(count);
        assert_eq!(decoded.position(), bytes.len() as u64);
    }
    (bytes, End::Open)
}
