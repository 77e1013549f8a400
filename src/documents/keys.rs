//! The keys of a collection's database.
//!
//! | key | value |
//! |---|---|
//! | `m` `t` | the totals |
//! | `m` `b` + bucket (u64, big endian) | what that interval holds, with a retention |
//! | `m` `s` + source uid | how far a source is, and what it has counted |
//! | `m` `o` + source uid + path | how far an object of that source has been read |
//! | `d` + bucket (u64, big endian) + id | a document |
//!
//! `m` and each `d` + bucket are segments: LSM trees of their own, so that a
//! whole bucket can be dropped without reading it. Without retention there is
//! one bucket, 0.

use std::ops::{
    Bound::{self, Excluded, Included},
    RangeInclusive,
};

use bytes::{BufMut, Bytes, BytesMut};
use slatedb::{PrefixExtractor, PrefixTarget};
use uuid::Uuid;

/// The interval a document is clustered into.
pub type Bucket = u64;

/// The bucket of collections without retention.
pub const ONLY_BUCKET: Bucket = 0;

/// The key of the totals.
pub const TOTALS: &[u8] = b"mt";

/// Every bucket.
pub const ALL_BUCKETS: RangeInclusive<Bucket> = 0..=Bucket::MAX;

/// A range of keys.
pub type Range = (Bound<Bytes>, Bound<Bytes>);

const META: u8 = b'm';
const INTERVALS: &[u8] = b"mb";
const SOURCES: &[u8] = b"ms";
const OBJECTS: &[u8] = b"mo";
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

/// The id in a document's key, without a copy.
#[must_use]
pub fn id_in(key: &Bytes) -> Bytes {
    key.slice(BUCKET_LEN.min(key.len())..)
}

/// The bucket and the id in a document's key.
#[must_use]
pub fn parse_document(key: &[u8]) -> Option<(Bucket, &str)> {
    let rest = key.strip_prefix(&[DOCUMENT])?;
    let (bucket, id) = rest.split_first_chunk()?;
    Some((Bucket::from_be_bytes(*bucket), std::str::from_utf8(id).ok()?))
}

/// The key of what an interval holds.
#[must_use]
pub fn interval(bucket: Bucket) -> Bytes {
    let mut key = BytesMut::with_capacity(INTERVALS.len() + size_of::<Bucket>());
    key.put_slice(INTERVALS);
    key.put_u64(bucket);
    key.freeze()
}

/// The bucket in the key of an interval.
#[must_use]
pub fn parse_interval(key: &[u8]) -> Option<Bucket> {
    Some(Bucket::from_be_bytes(key.strip_prefix(INTERVALS)?.try_into().ok()?))
}

/// The range of all intervals.
#[must_use]
pub fn intervals() -> Range {
    (Included(Bytes::from_static(INTERVALS)), Excluded(Bytes::from_static(b"mc")))
}

/// The key of a source's mark.
#[must_use]
pub fn source(source: Uuid) -> Bytes {
    [SOURCES, source.as_bytes()].concat().into()
}

/// The source in the key of its mark.
#[must_use]
pub fn parse_source(key: &[u8]) -> Option<Uuid> {
    Uuid::from_slice(key.strip_prefix(SOURCES)?).ok()
}

/// The range of all sources.
#[must_use]
pub fn sources() -> Range {
    (Included(Bytes::from_static(SOURCES)), Excluded(Bytes::from_static(b"mt")))
}

/// The key of the mark of a source's object.
#[must_use]
pub fn object(source: Uuid, path: &str) -> Bytes {
    [OBJECTS, source.as_bytes(), path.as_bytes()].concat().into()
}

/// The path in the key of an object's mark.
#[must_use]
pub fn parse_object(key: &[u8]) -> Option<&str> {
    let path = key.strip_prefix(OBJECTS)?.get(size_of::<Uuid>()..)?;
    std::str::from_utf8(path).ok()
}

/// The range of a source's objects, those behind a path if one is given.
#[must_use]
pub fn objects(source: Uuid, after: Option<&str>) -> Range {
    let start = after.map_or_else(|| Included(object(source, "")), |path| Excluded(object(source, path)));
    let end = match source.as_u128().checked_add(1) {
        Some(next) => object(Uuid::from_u128(next), ""),
        None => Bytes::from_static(b"mp"),
    };
    (start, Excluded(end))
}

/// The range of everything else.
#[must_use]
pub fn all_but_documents() -> Range {
    (Included(Bytes::from_static(&[META])), Excluded(Bytes::from_static(&[META + 1])))
}

/// The range of the documents in these buckets.
#[must_use]
pub fn documents(buckets: RangeInclusive<Bucket>) -> Range {
    let end = match buckets.end().checked_add(1) {
        Some(next) => segment(next),
        None => Bytes::from_static(&[DOCUMENT + 1]),
    };
    (Included(segment(*buckets.start())), Excluded(end))
}

/// The part of a range of documents behind a key, which may be any: a cursor
/// comes from outside.
#[must_use]
pub fn behind(range: Range, after: &[u8]) -> Range {
    match range {
        (Included(start), end) if start > after => (Included(start), end),
        // SlateDB panics at an empty range. At the end of this one is a segment, or
        // nothing, and no document: it would have an id.
        (_, Excluded(end)) if end <= after => (Included(end.clone()), Included(end)),
        (_, end) => (Excluded(Bytes::copy_from_slice(after)), end),
    }
}

/// The segment of a bucket.
#[must_use]
pub fn segment(bucket: Bucket) -> Bytes {
    document(bucket, "")
}

/// The bucket of a segment; `None` if it holds no documents.
#[must_use]
pub fn bucket_of_segment(prefix: &[u8]) -> Option<Bucket> {
    Some(Bucket::from_be_bytes(prefix.strip_prefix(&[DOCUMENT])?.try_into().ok()?))
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
        assert_eq!((len(TOTALS), len(&interval(7))), (Some(1), Some(1)));
        assert_eq!((len(&source(Uuid::nil())), len(&object(Uuid::nil(), "a"))), (Some(1), Some(1)));
        assert_eq!(len(&document(0, "a")), Some(9));
        assert_eq!(bucket_of_segment(&segment(7)), Some(7));
        assert_eq!(bucket_of_segment(b"m"), None);
        assert_eq!((parse_interval(&interval(7)), parse_interval(TOTALS)), (Some(7), None));
    }

    #[test]
    fn the_marks_of_a_source_are_its_own() {
        let (one, next) = (Uuid::from_u128(7), Uuid::from_u128(8));
        assert_eq!((parse_source(&source(one)), parse_source(TOTALS)), (Some(one), None));
        assert_eq!(parse_object(&object(one, "a/b.json")), Some("a/b.json"));
        assert_eq!(objects(one, None), (Included(object(one, "")), Excluded(object(next, ""))));
        assert_eq!(objects(one, Some("a")).0, Excluded(object(one, "a")));
        assert_eq!(objects(Uuid::max(), None).1, Excluded(Bytes::from_static(b"mp")));
    }

    #[test]
    fn a_cursor_cuts_a_range_and_never_makes_it_empty() {
        let range = || documents(3..=4);
        let (before, within, beyond) = (document(2, "z"), document(4, "a"), document(9, "a"));
        assert_eq!(behind(range(), &before), range());
        assert_eq!(behind(range(), &within), (Excluded(within), Excluded(segment(5))));
        assert_eq!(behind(range(), &beyond), (Included(segment(5)), Included(segment(5))));
        assert_eq!(documents(ALL_BUCKETS), (Included(segment(0)), Excluded(Bytes::from_static(b"e"))));
    }
}
