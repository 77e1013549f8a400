//! A Bloom filter that grows by layers, within a budget.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Buf, BufMut, BytesMut};
use fastbloom::BloomFilter;

/// About 0.05 % false positives: an id is looked for in up to 35 intervals.
const BITS_PER_ID: usize = 16;
/// What the first layer holds.
pub(super) const FIRST_LAYER_IDS: usize = 1 << 11;
/// What a filter may have if it is there, whatever others have.
const LEAST_BYTES: usize = 1 << 20;
/// Below this each further layer holds four times as much: few layers to look
/// into. Above, twice as much: little memory unused.
const STEEP_BELOW: usize = 1 << 17;

/// What all filters of the server may take together.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// A budget of this many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(bytes) })
    }

    pub(in crate::documents) fn take(&self, bytes: usize) -> bool {
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Nothing yet, for one filter.
    pub fn portion(self: &Arc<Self>) -> Arc<Portion> {
        Arc::new(Portion { of: Arc::clone(self), held: AtomicUsize::new(0) })
    }
}

/// What one filter has of the budget: at most three quarters of what the others leave, so
/// that the largest collection leaves room for those that come.
#[derive(Debug)]
pub struct Portion {
    of: Arc<Budget>,
    held: AtomicUsize,
}

impl Portion {
    fn take(&self, bytes: usize) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        let available = self.of.left.load(Ordering::Relaxed) + held;
        if held + bytes > (available - available / 4).max(LEAST_BYTES) || !self.of.take(bytes) {
            return false;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.of.give_back(bytes);
    }
}

/// The ids of one bucket.
#[derive(Debug)]
pub(super) struct Layers {
    layers: Vec<Layer>,
    budget: Arc<Portion>,
}

#[derive(Debug)]
struct Layer {
    bits: BloomFilter<foldless::Unused>,
    ids: usize,
    capacity: usize,
}

/// Ids are hashed by XXH3 before they reach a layer; its own hasher is unused.
mod foldless {
    /// A hasher that nothing calls.
    #[derive(Clone, Debug, Default)]
    pub struct Unused;

    impl std::hash::BuildHasher for Unused {
        type Hasher = std::hash::DefaultHasher;

        fn build_hasher(&self) -> Self::Hasher {
            std::hash::DefaultHasher::new()
        }
    }
}

/// The budget is used up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Layer {
    fn new(capacity: usize) -> Self {
        let bits = BloomFilter::with_num_bits(capacity * BITS_PER_ID).hasher(foldless::Unused).expected_items(capacity);
        Self { bits, ids: 0, capacity }
    }
}

/// What a layer takes up.
pub(super) const fn layer_bytes(capacity: usize) -> usize {
    capacity * BITS_PER_ID / 8
}

impl Layers {
    pub fn new(budget: Arc<Portion>) -> Self {
        Self { layers: Vec::new(), budget }
    }

    pub fn contains(&self, hash: u64) -> bool {
        // Most ids are in the last and largest one.
        self.layers.iter().rev().any(|layer| layer.bits.contains_hash(hash))
    }

    pub fn insert(&mut self, hash: u64) -> Result<(), Exhausted> {
        let full = self.layers.last().is_none_or(|layer| layer.ids >= layer.capacity);
        if full {
            let capacity = self.next_capacity();
            if !self.budget.take(layer_bytes(capacity)) {
                return Err(Exhausted);
            }
            self.layers.push(Layer::new(capacity));
        }
        if let Some(layer) = self.layers.last_mut()
            && !layer.bits.insert_hash(hash)
        {
            layer.ids += 1;
        }
        Ok(())
    }

    /// How many ids the layer above the last one holds.
    fn next_capacity(&self) -> usize {
        match self.layers.last() {
            None => FIRST_LAYER_IDS,
            Some(layer) if layer.capacity < STEEP_BELOW => layer.capacity * 4,
            Some(layer) => layer.capacity * 2,
        }
    }

    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u64_le(self.layers.len() as u64);
        for layer in &self.layers {
            out.put_u64_le(layer.capacity as u64);
            out.put_u64_le(layer.ids as u64);
            layer.bits.as_slice().iter().for_each(|word| out.put_u64_le(*word));
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, as far as the budget allows.
    pub fn decode(from: &mut &[u8], budget: &Arc<Portion>) -> Option<Self> {
        let mut layers = Self::new(Arc::clone(budget));
        for _ in 0..from.try_get_u64_le().ok()? {
            let capacity = usize::try_from(from.try_get_u64_le().ok()?).ok()?;
            let ids = usize::try_from(from.try_get_u64_le().ok()?).ok()?;
            // Any other is damage, and what it says may be absurd.
            if capacity != layers.next_capacity() {
                return None;
            }
            // As many words as the capacity stands for; what is not there is damage.
            if from.remaining() < layer_bytes(capacity) || !budget.take(layer_bytes(capacity)) {
                return None;
            }
            let mut layer = Layer { ids, ..Layer::new(capacity) };
            let words = layer.bits.as_slice().len();
            let hashes = layer.bits.num_hashes();
            let enough = from.remaining() >= words * 8;
            if enough {
                let bits: Vec<u64> = (0..words).map(|_| from.get_u64_le()).collect();
                layer.bits = BloomFilter::from_vec(bits).hasher(foldless::Unused).hashes(hashes);
            }
            layers.layers.push(layer);
            if !enough {
                return None;
            }
        }
        Some(layers)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        self.budget.give_back(self.layers.iter().map(|layer| layer_bytes(layer.capacity)).sum());
    }
}
