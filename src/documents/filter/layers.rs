//! A Bloom filter that grows by layers, within a budget.

use bytes::{Buf, BufMut, BytesMut};
use fastbloom::BloomFilter;

use crate::share::Share;

/// About 0.05 % false positives: an id is looked for in up to 35 intervals.
const BITS_PER_ID: usize = 16;
/// What the first layer holds.
pub(super) const FIRST_LAYER_IDS: usize = 1 << 11;
/// Below this each further layer holds four times as much: few layers to look
/// into. Above, twice as much: little memory unused.
const STEEP_BELOW: usize = 1 << 17;

/// The ids of one bucket.
#[derive(Debug)]
pub(super) struct Layers {
    layers: Vec<Layer>,
    share: Share,
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
    /// Without any, and with nothing of what they may take.
    pub fn new(share: Share) -> Self {
        Self { layers: Vec::new(), share }
    }

    /// Takes what one more takes up.
    fn take(&self, capacity: usize) -> Result<(), Exhausted> {
        let held: usize = self.layers.iter().map(|layer| layer_bytes(layer.capacity)).sum();
        self.share.raise(held + layer_bytes(capacity)).map_err(|_| Exhausted)
    }

    pub fn contains(&self, hash: u64) -> bool {
        // Most ids are in the last and largest one.
        self.layers.iter().rev().any(|layer| layer.bits.contains_hash(hash))
    }

    pub fn insert(&mut self, hash: u64) -> Result<(), Exhausted> {
        let full = self.layers.last().is_none_or(|layer| layer.ids >= layer.capacity);
        if full {
            let capacity = self.next_capacity();
            self.take(capacity)?;
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
    pub fn decode(from: &mut &[u8], share: Share) -> Option<Self> {
        let mut layers = Self::new(share);
        for _ in 0..from.try_get_u64_le().ok()? {
            let capacity = usize::try_from(from.try_get_u64_le().ok()?).ok()?;
            let ids = usize::try_from(from.try_get_u64_le().ok()?).ok()?;
            // Any other is damage, and what it says may be absurd.
            if capacity != layers.next_capacity() {
                return None;
            }
            // As many words as the capacity stands for; what is not there is damage.
            if from.remaining() < layer_bytes(capacity) || layers.take(capacity).is_err() {
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
