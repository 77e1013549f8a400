//! Stored bytes: the first one says what the others should be. See
//! `documents::fuzzed`, `source::fuzzed` and `rpc::fuzzed` for what holds of them.

use crate::{damage, documents::fuzzed, instance::parse_marker, rpc, source};

pub fn stored_records(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind {
        b'D' => fuzzed::document(bytes),
        b'K' => fuzzed::key(bytes),
        b'T' => fuzzed::totals(bytes),
        b'L' => fuzzed::files(bytes),
        b'F' => fuzzed::id_filter(bytes),
        b'M' => drop(parse_marker(bytes)),
        b'#' => assert_eq!(damage::digest("digest", bytes).is_ok(), bytes.is_empty() || bytes.len() == 16),
        b'O' => source::fuzzed::marks(bytes),
        kind => rpc::fuzzed::record(*kind, bytes),
    }
}
