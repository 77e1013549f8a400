//! What holds of any bytes that are read as something stored here, for the fuzz
//! targets: they are damage, or are written as they were read.

#![allow(clippy::expect_used, clippy::panic, reason = "so a target fails")]

use std::ops::Bound::{Excluded, Included, Unbounded};

use bytes::Bytes;
use slatedb::{PrefixExtractor, PrefixTarget};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    checkpoints::files::Files,
    filter::{self, Candidates, IdFilter},
    keys,
    totals::Totals,
    value::{self, StoredDocument},
};
use crate::{share::Tenant, stored};

/// What a collection's filters may take up here.
const BUDGET: usize = 1 << 20;

/// The key on the first line, the value behind it.
pub(crate) fn document(bytes: &[u8]) {
    let (key, value) =
        bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 1..]));
    let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    let Ok(document) = StoredDocument::new(key.clone(), value.clone()) else { return };
    assert_eq!(keys::document(document.bucket(), document.id()), key);
    let body = document.body();
    assert_eq!(value::encode(document.event_time(), document.digest(), document.changed_at(), &body), value);
    assert_eq!(document.entry().size, value::size(document.id(), body.len()));
    assert_eq!(value::body_of(&value), body);
}

/// A key is of one kind, and says what it was made of.
pub(crate) fn key(bytes: &[u8]) {
    let mut kinds = 0;
    let mut is = |made: Option<Bytes>| {
        kinds += usize::from(made.is_some());
        assert!(made.is_none_or(|made| made == bytes));
    };
    is(keys::parse_document(bytes).map(|(bucket, id)| keys::document(bucket, id)));
    is(keys::parse_interval(bytes).map(keys::interval));
    is(keys::parse_source(bytes).map(keys::source));
    let source = bytes.get(2..18).and_then(|source| uuid::Uuid::from_slice(source).ok());
    is(keys::parse_object(bytes).and_then(|path| Some(keys::object(source?, path))));
    assert!(kinds <= 1);
    if kinds == 1 {
        let target = PrefixTarget::Point(Bytes::copy_from_slice(bytes));
        assert!(keys::Segments.prefix_len(&target).is_some_and(|length| length <= bytes.len()));
    }
    assert!(keys::bucket_of_segment(bytes).is_none_or(|bucket| keys::segment(bucket) == bytes));
}

/// A cursor goes on behind itself, and never out of its range.
pub(crate) fn cursor(bytes: &[u8]) {
    let holds = |range: &keys::Range, key: &[u8]| {
        let behind = match &range.0 {
            Included(start) => key >= start.as_ref(),
            Excluded(start) => key > start.as_ref(),
            Unbounded => true,
        };
        behind
            && match &range.1 {
                Included(end) => key <= end.as_ref(),
                Excluded(end) => key < end.as_ref(),
                Unbounded => true,
            }
    };
    let some: Vec<_> = [0, 3, 4, u64::MAX]
        .into_iter()
        .flat_map(|bucket| ["\0", "a", "z"].map(|id| keys::document(bucket, id)))
        .collect();
    for range in [keys::documents(keys::ALL_BUCKETS), keys::documents(3..=4), keys::documents(0..=0)] {
        let rest = keys::behind(range.clone(), bytes);
        // What SlateDB asks of a range; it panics otherwise.
        assert!(match &rest {
            (Included(start), Included(end)) => start <= end,
            (Included(start) | Excluded(start), Included(end) | Excluded(end)) => start < end,
            (Unbounded, _) | (_, Unbounded) => true,
        });
        assert!(!holds(&rest, bytes) || keys::bucket_of_segment(bytes).is_some() || bytes == b"e");
        for key in &some {
            assert_eq!(holds(&rest, key), holds(&range, key) && key.as_ref() > bytes, "{key:?} in {rest:?}");
        }
    }
}

/// Totals, as a database and as the metadata have them.
pub(crate) fn totals(bytes: &[u8]) {
    let Ok(totals) = Totals::decode(bytes) else { return };
    let Ok(in_a_record) = Totals::read(&stored::Totals::from(totals.clone())) else { panic!("unreadable totals") };
    assert_eq!(Totals::read(&stored::Totals::from(in_a_record.clone())), Ok(in_a_record));
    let mut alone = Totals::decode(&totals.encode()).expect("what was written can be read");
    assert!(alone.intervals.is_empty());
    for bucket in totals.intervals.keys() {
        let interval = totals.encode_interval(*bucket).expect("it is there");
        alone.decode_interval(*bucket, &interval).expect("what was written can be read");
    }
    assert_eq!(alone, totals);
    let now = 1_700_000_000_000_000;
    let _ = (totals.expired_count(now), totals.next_due(), totals.reached(), totals.hides(now));
}

/// The list of a snapshot's files.
pub(crate) fn files(bytes: &[u8]) {
    let Ok(files) = Files::decode(bytes) else { return };
    assert_eq!(Files::decode(&files.encode()).as_ref().ok(), Some(&files));
    assert!(files.count() >= 0);
    let _ = (files.bytes(), files.bytes_without(&files.ids().collect()));
}

/// A saved filter, its checksum made right. It never takes more than its budget,
/// and gives it back.
pub(crate) fn id_filter(bytes: &[u8]) {
    let saved = [bytes, &xxh3_64(bytes).to_le_bytes()].concat();
    let budget = filter::budget(BUDGET);
    let offset = bytes.get(4..12).and_then(|offset| offset.try_into().ok()).map_or(0, i64::from_le_bytes);
    if let Some(filter) = IdFilter::decode(&saved, offset, &budget) {
        assert_eq!(filter.encode(offset).as_deref(), Some(saved.as_slice()));
        filter.insert(7, "an id");
        assert!(match filter.candidates("an id") {
            Candidates::Only(buckets) => buckets.contains(&7),
            Candidates::Any => true,
        });
    }
    assert!(budget.take(&Tenant::of_workspace("another"), BUDGET).is_ok(), "its memory is given back");
    assert!(
        IdFilter::decode(bytes, offset, &filter::budget(BUDGET))
            .is_none_or(|filter| filter.encode(offset).as_deref() == Some(bytes))
    );
}
