//! Which ids a collection may have, and in which buckets: in-memory Bloom
//! filters, so that a new id costs no read of storage and a known one reads its
//! document once. Without them a SlateDB get per absent id costs 39 µs and
//! halves the pace of ingest.
//!
//! They answer "maybe" for every id while they are incomplete, so they are never
//! needed for correctness, only for speed.

mod layers;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::layers::Layers;
use super::keys::Bucket;
use crate::{
    clock::new_uid,
    share::{Budget, Division, Tenant},
};

const FORMAT: u32 = 2;
const SEED: u64 = 0x5f_5f5f;

/// What a filter may have if it is there, whatever others have.
const LEAST_BYTES: usize = 1 << 20;

/// What all filters of the server may take together. Each has the part of a workspace, so
/// that the largest collection leaves room for those that come.
pub fn budget(bytes: usize) -> Arc<Budget> {
    Budget::new("bytes of id filters", Division { least: LEAST_BYTES, ..Division::of(bytes) })
}

/// The ids of one collection.
#[derive(Debug)]
pub struct IdFilter {
    buckets: Mutex<BTreeMap<Bucket, Layers>>,
    /// Every id of the collection is in it.
    complete: AtomicBool,
    /// The budget ran out; it answers "maybe" from now on.
    given_up: AtomicBool,
    budget: Arc<Budget>,
    /// Whose the filter is: nobody else's.
    tenant: Tenant,
}

/// Where an id may be.
#[derive(Debug, PartialEq, Eq)]
pub enum Candidates {
    /// In these buckets, the newest first; in none, if there are none.
    Only(Vec<Bucket>),
    /// In any.
    Any,
}

impl IdFilter {
    /// The filter of an empty collection.
    #[must_use]
    pub fn empty(budget: &Arc<Budget>) -> Self {
        let filter = Self::incomplete(budget);
        filter.complete();
        filter
    }

    /// A filter that knows nothing yet.
    #[must_use]
    pub fn incomplete(budget: &Arc<Budget>) -> Self {
        Self {
            buckets: Mutex::default(),
            complete: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            budget: Arc::clone(budget),
            tenant: Tenant::of_workspace(&new_uid().to_string()),
        }
    }

    /// Says that every id has been inserted.
    pub fn complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Where the collection may have the id.
    #[must_use]
    pub fn candidates(&self, id: &str) -> Candidates {
        if !self.complete.load(Ordering::Acquire) || self.given_up.load(Ordering::Acquire) {
            return Candidates::Any;
        }
        let hash = hash(id);
        let buckets = self.buckets.lock();
        let found = buckets.iter().rev().filter(|(_, layers)| layers.contains(hash));
        Candidates::Only(found.map(|(bucket, _)| *bucket).collect())
    }

    /// Notes that an id is in a bucket.
    pub fn insert(&self, bucket: Bucket, id: &str) {
        if self.given_up.load(Ordering::Acquire) {
            return;
        }
        let hash = hash(id);
        let mut buckets = self.buckets.lock();
        let layers = buckets.entry(bucket).or_insert_with(|| Layers::new(self.budget.share(&self.tenant)));
        if layers.insert(hash).is_err() {
            self.given_up.store(true, Ordering::Release);
            buckets.clear();
        }
    }

    /// Forgets the buckets below a floor.
    pub fn forget_before(&self, floor: Bucket) {
        let mut buckets = self.buckets.lock();
        *buckets = buckets.split_off(&floor);
    }

    /// The bytes to save, if the filter is worth it: what it covers is the
    /// collection at `offset`.
    #[must_use]
    pub fn encode(&self, offset: i64) -> Option<Bytes> {
        if !self.complete.load(Ordering::Acquire) || self.given_up.load(Ordering::Acquire) {
            return None;
        }
        let buckets = self.buckets.lock();
        let mut out = BytesMut::new();
        out.put_u32_le(FORMAT);
        out.put_i64_le(offset);
        for (bucket, layers) in buckets.iter() {
            out.put_u64_le(*bucket);
            layers.encode(&mut out);
        }
        let checksum = xxh3_64(&out);
        out.put_u64_le(checksum);
        Some(out.freeze())
    }

    /// Reads what [`encode`](Self::encode) wrote. `None` if it is damaged, of
    /// another format, over the budget, or does not cover exactly `offset`.
    #[must_use]
    pub fn decode(bytes: &[u8], offset: i64, budget: &Arc<Budget>) -> Option<Self> {
        let (mut body, checksum) = bytes.split_last_chunk::<8>()?;
        if xxh3_64(body) != u64::from_le_bytes(*checksum) || body.len() < 12 {
            return None;
        }
        if body.get_u32_le() != FORMAT || body.get_i64_le() != offset {
            return None;
        }
        let filter = Self::empty(budget);
        while !body.is_empty() {
            let bucket = body.try_get_u64_le().ok()?;
            let layers = Layers::decode(&mut body, filter.budget.share(&filter.tenant))?;
            let mut buckets = filter.buckets.lock();
            // They ascend; a second one would hide the ids of the first.
            if buckets.last_key_value().is_some_and(|(last, _)| *last >= bucket) {
                return None;
            }
            buckets.insert(bucket, layers);
        }
        Some(filter)
    }
}

fn hash(id: &str) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), SEED)
}

#[cfg(test)]
mod tests {
    use super::{
        layers::{FIRST_LAYER_IDS, layer_bytes},
        *,
    };
    use crate::share::Share;

    const NOWHERE: Candidates = Candidates::Only(Vec::new());

    #[test]
    fn it_never_forgets_an_id_and_seldom_invents_one() {
        let filter = IdFilter::empty(&super::budget(1 << 24));
        (0..100_000_u64).for_each(|i| filter.insert(i % 5, &format!("id-{i}")));
        for i in 0..100_000_u64 {
            let Candidates::Only(found) = filter.candidates(&format!("id-{i}")) else { panic!("it is complete") };
            assert!(found.contains(&(i % 5)) && found.is_sorted_by(|a, b| a > b), "{i}: {found:?}");
        }
        let invented = (0..100_000).filter(|i| filter.candidates(&format!("other-{i}")) != NOWHERE).count();
        assert!(invented < 1_000, "{invented} of 100,000");
    }

    /// So much for another filter.
    fn take(budget: &Arc<Budget>, bytes: usize) -> Option<Share> {
        budget.take(&Tenant::of_workspace("another"), bytes).ok()
    }

    #[test]
    fn an_incomplete_or_given_up_filter_says_maybe() {
        assert_eq!(IdFilter::incomplete(&super::budget(1 << 20)).candidates("x"), Candidates::Any);
        let budget = super::budget(layer_bytes(FIRST_LAYER_IDS));
        let filter = IdFilter::empty(&budget);
        assert_eq!(filter.candidates("x"), NOWHERE);
        (0..FIRST_LAYER_IDS * 2).for_each(|i| filter.insert(0, &i.to_string()));
        assert_eq!(filter.candidates("x"), Candidates::Any, "over budget");
        assert!(take(&budget, layer_bytes(FIRST_LAYER_IDS)).is_some(), "its memory is given back");
    }

    #[test]
    fn all_filters_together_stay_within_the_budget() {
        let first = layer_bytes(FIRST_LAYER_IDS);
        let exact = super::budget(2 * first);
        let [a, b, c] = [(); 3].map(|()| IdFilter::empty(&exact));
        a.insert(0, "a");
        b.insert(0, "b");
        assert!(take(&exact, 1).is_none(), "used up, to the byte");
        c.insert(0, "c");
        assert_eq!(c.candidates("x"), Candidates::Any, "it gives up");
        assert_eq!((a.candidates("x"), b.candidates("b")), (NOWHERE, Candidates::Only(vec![0])), "the others go on");
        drop(a);
        let again = take(&exact, first);
        assert!(again.is_some() && take(&exact, 1).is_none(), "what it took is there again, and no more");

        let short = super::budget(2 * first - 1);
        let [a, b] = [(); 2].map(|()| IdFilter::empty(&short));
        a.insert(0, "a");
        b.insert(0, "b");
        assert_eq!(b.candidates("x"), Candidates::Any, "a byte short");
        assert!(take(&short, first - 1).is_some());
    }

    #[test]
    fn a_dropped_bucket_gives_its_memory_back() {
        let budget = super::budget(2 * layer_bytes(FIRST_LAYER_IDS));
        let filter = IdFilter::empty(&budget);
        filter.insert(3, "old");
        filter.insert(4, "new");
        filter.forget_before(4);
        assert_eq!(filter.candidates("old"), NOWHERE);
        assert_eq!(filter.candidates("new"), Candidates::Only(vec![4]));
        assert!(take(&budget, layer_bytes(FIRST_LAYER_IDS)).is_some());
    }

    #[test]
    fn it_is_saved_whole_or_not_at_all() {
        let budget = super::budget(1 << 24);
        let filter = IdFilter::empty(&budget);
        (0..20_000_u64).for_each(|i| filter.insert(i % 3, &i.to_string()));
        let saved = filter.encode(7).unwrap();
        let read = IdFilter::decode(&saved, 7, &budget).unwrap();
        assert!((0..20_000).all(|i| read.candidates(&i.to_string()) == filter.candidates(&i.to_string())));
        assert_eq!(read.candidates("absent-id"), NOWHERE);
        assert!(IdFilter::decode(&saved, 8, &budget).is_none(), "another offset");
        let mut damaged = saved.to_vec();
        damaged[40] ^= 1;
        assert!(IdFilter::decode(&damaged, 7, &budget).is_none());
        assert!(IdFilter::decode(&[], 7, &budget).is_none());
        assert!(IdFilter::decode(&saved, 7, &super::budget(1 << 10)).is_none(), "over budget");
    }
}
