//! Stored bytes: the first one says what the others should be. See
//! `documents::fuzzed`, `source::fuzzed` and `rpc::fuzzed` for what holds of them.

use crate::{digest::Digest, documents::fuzzed, instance::parse_marker, rpc, source};

pub fn stored_records(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind {
        b'D' => fuzzed::document(bytes),
        b'K' => fuzzed::key(bytes),
        b'T' => fuzzed::totals(bytes),
        b'L' => fuzzed::files(bytes),
        b'F' => fuzzed::id_filter(bytes),
        b'M' => drop(parse_marker(bytes)),
        b'#' => assert!(bytes.len() == 16 || Digest::from_le_bytes(bytes) == Digest::default()),
        b'O' => source::fuzzed::marks(bytes),
        kind => rpc::fuzzed::record(*kind, bytes),
    }
}
