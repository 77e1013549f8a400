//! One number over all records: equal numbers mean the same records, whatever
//! order they were written in. It costs an addition for each write.

use xxhash_rust::xxh3::Xxh3;

use crate::{damage, digest::Digest, stored};

/// How many records there are, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// How many.
    pub count: u64,
    digest: Digest,
}

impl Checksum {
    /// Counts a record in.
    pub fn add(&mut self, key: &[u8], version: u64, value: &[u8]) {
        self.count += 1;
        self.digest.add(hash(key, version, value));
    }

    /// Takes a record out.
    pub fn remove(&mut self, key: &[u8], version: u64, value: &[u8]) {
        self.count = self.count.saturating_sub(1);
        self.digest.remove(hash(key, version, value));
    }

    /// Reads the stored form, if it is there and whole: whoever reads it says what it is of.
    pub(super) fn read(stored: Option<&stored::Checksum>) -> Option<Self> {
        let stored::Checksum { count, digest } = stored?;
        Some(Self { count: *count, digest: damage::digest("checksum", digest).ok()? })
    }
}

fn hash(key: &[u8], version: u64, value: &[u8]) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(&version.to_le_bytes());
    hasher.update(value);
    hasher.digest128()
}

impl From<Checksum> for stored::Checksum {
    fn from(checksum: Checksum) -> Self {
        Self { count: checksum.count, digest: checksum.digest.0.to_le_bytes().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, version and value.
    type Record = (&'static str, u64, &'static str);

    fn of(records: &[Record]) -> Checksum {
        let mut checksum = Checksum::default();
        for (key, version, value) in records {
            checksum.add(key.as_bytes(), *version, value.as_bytes());
        }
        checksum
    }

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let (a, b) = (("a", 1, "x"), ("b", 2, "y"));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        for other in [("a", 2, "x"), ("a", 1, "y"), ("ax", 1, "")] {
            assert_ne!(of(&[a, b]), of(&[other, b]), "{other:?}");
        }
        let mut one = of(&[a, b]);
        one.remove(b"b", 2, b"y");
        assert_eq!(one, of(&[a]));
        assert_eq!(Checksum::read(Some(&one.into())), Some(one));
    }
}
