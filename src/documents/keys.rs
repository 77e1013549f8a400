//! The keys of a collection's database.
//!
//! | key | value |
//! |---|---|
//! | `m` `t` | the totals |
//! | `d` + bucket (u64, big endian) + id | a document |
//!
//! `m` and each `d` + bucket are segments: LSM trees of their own, so that a
//! whole bucket can be dropped without reading it. Without retention there is
//! one bucket, 0.

use bytes::{BufMut, Bytes, BytesMut};
use slatedb::{PrefixExtractor, PrefixTarget};

/// The interval a document is clustered into.
pub type Bucket = u64;

/// The bucket of collections without retention.
pub const ONLY_BUCKET: Bucket = 0;

/// The key of the totals.
pub const TOTALS: &[u8] = b"mt";

const META: u8 = b'm';
const DOCUMENT: u8 = b'd';
const BUCKET_LEN: usize = 1 + size_of::<Bucket>();

/// The key of a document.
#[must_use]
pub fn document(bucket: Bucket, id: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(BUCKET_LEN + id.len());
    key.put_u8(DOCUMENT);
    key.put_u64(bucket);
    key.put_slice(id.as_bytes());
    key.freeze()
}

/// The bucket and the id in a document's key.
#[must_use]
pub fn parse_document(key: &[u8]) -> Option<(Bucket, &str)> {
    let rest = key.strip_prefix(&[DOCUMENT])?;
    let (bucket, id) = rest.split_first_chunk()?;
    Some((Bucket::from_be_bytes(*bucket), std::str::from_utf8(id).ok()?))
}

/// The range of all documents behind `after`, or of all of them.
#[must_use]
pub fn documents_after(after: Option<&[u8]>) -> (std::ops::Bound<Bytes>, std::ops::Bound<Bytes>) {
    use std::ops::Bound::{Excluded, Included};
    let start = match after {
        Some(key) => Excluded(Bytes::copy_from_slice(key)),
        None => Included(Bytes::from_static(&[DOCUMENT])),
    };
    (start, Excluded(Bytes::from_static(&[DOCUMENT + 1])))
}

/// Tells SlateDB which segment a key belongs to. Its name is stored in every
/// database and must never change.
#[derive(Debug)]
pub struct Segments;

impl PrefixExtractor for Segments {
    fn name(&self) -> &'static str {
        "stillframe-v1"
    }

    fn prefix_len(&self, target: &PrefixTarget) -> Option<usize> {
        let (PrefixTarget::Point(key) | PrefixTarget::Prefix(key)) = target;
        match *key.first()? {
            META => Some(1),
            DOCUMENT if key.len() >= BUCKET_LEN => Some(BUCKET_LEN),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_key_holds_its_bucket_and_id() {
        let key = document(7, "ключ");
        assert_eq!(parse_document(&key), Some((7, "ключ")));
        assert_eq!(parse_document(TOTALS), None);
        assert_eq!(parse_document(b"d123"), None);
    }

    #[test]
    fn every_key_has_a_segment() {
        let len = |key: &[u8]| Segments.prefix_len(&PrefixTarget::Point(Bytes::copy_from_slice(key)));
        assert_eq!(len(TOTALS), Some(1));
        assert_eq!(len(&document(0, "a")), Some(9));
    }
}
