//! What a collection holds, recomputed from its documents (**D2**).

use stillframe::pb;
use xxhash_rust::xxh3::xxh3_128;

use super::{json, micros};

/// The totals of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    pub documents: i64,
    pub bytes: i64,
    pub digest: String,
}

impl Totals {
    /// Those of documents with these ids, event times and bodies.
    pub fn of<'a>(documents: impl IntoIterator<Item = (&'a str, i64, &'a str)>) -> Self {
        let (mut count, mut bytes, mut digest) = (0, 0, 0_u128);
        for (id, time, json) in documents {
            count += 1;
            bytes += size_of(id, json);
            digest = digest.wrapping_add(hash(id, time, json));
        }
        Self { documents: count, bytes, digest: format!("v1:{digest:032x}") }
    }

    /// Recomputed from documents that were read.
    pub fn scanned(documents: &[pb::Document]) -> Self {
        let parts: Vec<_> =
            documents.iter().map(|read| (read.id.as_str(), micros(read.event_time.as_ref()), json(read))).collect();
        Self::of(parts.iter().map(|(id, time, json)| (*id, *time, json.as_str())))
    }

    pub fn kept(stats: &pb::collection::Stats) -> Self {
        Self { documents: stats.document_count, bytes: stats.size_bytes, digest: stats.digest.clone() }
    }

    pub fn frozen(snapshot: &pb::Snapshot) -> Self {
        let pb::Snapshot { document_count, size_bytes, digest, .. } = snapshot;
        Self { documents: *document_count, bytes: *size_bytes, digest: digest.clone() }
    }
}

/// Design, section 3: version, length of the id, id, time, body.
fn hash(id: &str, time: i64, json: &str) -> u128 {
    let length = u32::try_from(id.len()).unwrap().to_le_bytes();
    xxh3_128(&[&[1], &length[..], id.as_bytes(), &time.to_le_bytes(), json.as_bytes()].concat())
}

/// What a document counts for.
pub fn size_of(id: &str, json: &str) -> i64 {
    i64::try_from(id.len() + 8 + json.len()).unwrap()
}
