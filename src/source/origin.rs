//! The ids of records that have none: a record's place is its name.
//!
//! The id is XXH3-128, as 32 hexadecimal digits, of (P, number u64 LE), where P is the XXH3-128, as 16 bytes LE, of
//! (version 1, len(bucket) u32 LE, bucket, path of the object): the bucket is empty for files. So it is the same
//! whenever the object is read, whichever source reads it and however its location cuts the path; an object whose
//! content changes overwrites its documents by position, and leaves those whose records are gone. It is not a secret,
//! and no defence against someone who makes up paths until two collide: they could as well choose an id.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::location::{Location, Store};

const VERSION: u8 = 1;

/// Where the records of one object come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(u128);

impl Origin {
    /// `object` is its whole literal path in the store, not only the part below the location.
    #[must_use]
    pub fn new(location: &Location, object: &str) -> Self {
        let bucket = match location.store() {
            Store::File => "",
            Store::S3 { bucket } => bucket,
        };
        let length = u32::try_from(bucket.len()).unwrap_or(u32::MAX);
        let mut hash = Xxh3::new();
        hash.update(&[VERSION]);
        hash.update(&length.to_le_bytes());
        hash.update(bucket.as_bytes());
        hash.update(object.as_bytes());
        Self(hash.digest128())
    }

    /// The id of the record with this number.
    #[must_use]
    pub fn id(self, number: u64) -> String {
        let mut bytes = [0; 24];
        let (place, index) = bytes.split_at_mut(16);
        place.copy_from_slice(&self.0.to_le_bytes());
        index.copy_from_slice(&number.to_le_bytes());
        format!("{:032x}", xxh3_128(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::json::body::check_id;

    fn at(text: &str) -> Location {
        text.parse().unwrap()
    }

    /// O4: what is stored under an id must be found under it for ever.
    #[test]
    fn ids_never_change() {
        let origin = Origin::new(&at("s3://bucket/data"), "data/2024/x.json");
        assert_eq!(origin.id(0), "fca0646273840efe6acc9ab3dd9a66f3");
        assert_eq!(Origin::new(&at("file:///data"), "data/x.json").id(u64::MAX), "06755d53716d23686f72a3126cd633df");
    }

    #[test]
    fn the_object_counts_not_the_location_around_it() {
        let object = "data/2024/x.json";
        let ids =
            ["s3://bucket", "s3://bucket/data", "s3://bucket/data/2024/"].map(|l| Origin::new(&at(l), object).id(7));
        assert_eq!(ids[0], ids[1]);
        assert_eq!(ids[0], ids[2]);
    }

    #[test]
    fn places_and_numbers_differ() {
        let mut ids = HashSet::new();
        for location in ["s3://bucket", "s3://bucket2", "file:///"] {
            for object in ["x.json", "y.json", "a/x.json", "2/x.json"] {
                ids.extend((0..1000).map(|number| Origin::new(&at(location), object).id(number)));
            }
        }
        assert_eq!(ids.len(), 12_000);
        assert!(ids.iter().all(|id| id.len() == 32 && check_id(id).is_ok()));
    }
}
