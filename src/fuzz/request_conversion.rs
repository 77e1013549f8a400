//! Requests: the first byte says which, the others are the message as it comes
//! over the wire (or, for `n`, the text of a name).
//!
//! See `rpc::fuzzed` for what holds of them.

use crate::rpc;

pub fn request_conversion(data: &[u8]) {
    if let Some((kind, bytes)) = data.split_first() {
        rpc::fuzzed::request(*kind, bytes);
    }
}
