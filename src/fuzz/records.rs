//! What holds of the records of every format: the same bytes give the same
//! records under the same numbers, however they are cut into chunks and wherever
//! the reading begins (O1), and what an error keeps back is only what is behind
//! it (O2).

use futures::executor::block_on;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    json::body::{MAX_ID_BYTES, lift},
    source::{
        decode::decode,
        fields::FieldNames,
        format::{Compression, Format},
        origin::Origin,
        records::{Record, Records},
        testing::{Chunks, broken_off, cut, whole},
    },
};

/// All records, and why there are no more.
pub(super) fn read(data: &[u8], format: Format) -> (Vec<Record>, Option<String>) {
    let (all, error) = from(0, whole(data.to_vec()), format);
    let numbers = all.iter().map(|record| record.number);
    assert!(numbers.eq(0..all.len() as u64), "numbers have a gap");
    let somewhere = xxh3_64(data).rotate_left(32).checked_rem(all.len() as u64 + 2).unwrap_or_default();
    for (sizes, start) in [(sizes(data), 0), (sizes(data), somewhere), (vec![1], 0)] {
        let (rest, end) = from(start, cut(data.to_vec(), &sizes), format);
        let expected = all.iter().filter(|record| record.number >= start);
        assert!(rest.iter().eq(expected), "in chunks of {sizes:?} from record {start}: {rest:?}");
        assert_eq!(end, error, "in chunks of {sizes:?} from record {start}");
    }
    let (before, failure) = from(0, broken_off(data.to_vec()), format);
    assert!(all.starts_with(&before) && failure.is_some(), "before a failure of the stream");
    documents(&all);
    (all, error)
}

pub(super) fn from(start: u64, stream: Chunks, format: Format) -> (Vec<Record>, Option<String>) {
    let mut records = Records::new(decode(stream, Compression::None), format);
    records.skip_to(start);
    let mut all = Vec::new();
    loop {
        match block_on(records.next()) {
            Ok(Some(record)) => all.push(record),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error.to_string())),
        }
    }
}

/// Sizes of chunks that have nothing to do with what the bytes say.
pub(super) fn sizes(data: &[u8]) -> Vec<usize> {
    let mut sizes: Vec<_> = xxh3_64(data).to_le_bytes().iter().map(|byte| usize::from(byte & 31)).collect();
    sizes.push(1);
    sizes
}

/// A record becomes a document whose body is a body, or is refused.
fn documents(all: &[Record]) {
    let origin = Origin::new(&"file:///fuzzed".parse().expect("a location"), "object");
    let names = FieldNames::new(Some("id"), Some("time")).expect("names of fields");
    for record in all {
        let Ok(content) = &record.content else { continue };
        for names in [&names, &FieldNames::default()] {
            let Ok(document) = names.document(content, origin, record.number) else { continue };
            assert!((1..=MAX_ID_BYTES).contains(&document.id.len()), "{:?}", document.id);
            assert_eq!(lift(&document.body).expect("a body").body, document.body);
        }
    }
}

/// Whether a byte order mark says that it is UTF-16, which the obvious readers do not read.
pub(super) fn is_utf16(data: &[u8]) -> bool {
    data.starts_with(b"\xFE\xFF") || data.starts_with(b"\xFF\xFE")
}

/// The content behind a byte order mark, if there is one.
pub(super) fn unmarked(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data)
}
