//! The digest of a document and of a collection.
//!
//! h(doc) = XXH3-128 of (1, len(id) as u32, id, event time as i64, body), all
//! little endian. A collection's digest is the sum of its documents' modulo
//! 2^128, so it does not depend on order and costs one addition per write. It
//! finds damage and our own mistakes, not a forger.

use std::{fmt, str::FromStr};

use xxhash_rust::xxh3::Xxh3;

use crate::clock::Micros;

const VERSION: u8 = 1;

/// The digest of one document.
#[must_use]
pub fn of_document(id: &str, event_time: Micros, body: &[u8]) -> u128 {
    // Ids are at most 1,024 bytes, so the length always fits.
    let id_len = u32::try_from(id.len()).unwrap_or(u32::MAX);
    let mut hasher = Xxh3::new();
    hasher.update(&[VERSION]);
    hasher.update(&id_len.to_le_bytes());
    hasher.update(id.as_bytes());
    hasher.update(&event_time.to_le_bytes());
    hasher.update(body);
    hasher.digest128()
}

/// The digest of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl Digest {
    /// Counts a document in.
    pub fn add(&mut self, document: u128) {
        self.0 = self.0.wrapping_add(document);
    }

    /// Takes a document out.
    pub fn remove(&mut self, document: u128) {
        self.0 = self.0.wrapping_sub(document);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1:{:032x}", self.0)
    }
}

/// The etag of a document: its digest as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Etag(pub u128);

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Etag {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        crate::etag::hexadecimal(text, 32).map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_pinned() {
        // Changing this value means that no stored digest can be proven any more.
        let one = of_document("id", 1_700_000_000_000_000, br#"{"a":1}"#);
        insta::assert_snapshot!(Digest(one), @"v1:1d3e7be3765fe7d40cbdd9d34f547f80");
    }

    #[test]
    fn the_sum_forgets_order_and_what_left() {
        let (a, b) = (of_document("a", 0, b"{}"), of_document("b", 0, b"{}"));
        let (mut left, mut right) = (Digest::default(), Digest::default());
        left.add(a);
        left.add(b);
        right.add(b);
        right.add(u128::MAX);
        right.add(a);
        right.remove(u128::MAX);
        assert_eq!(left, right);
    }

    #[test]
    fn etags_round_trip_in_one_form_only() {
        let etag = Etag(0xabc);
        assert_eq!(etag.to_string().parse(), Ok(etag));
        for bad in ["", "abc", "+0000000000000000000000000000abc", "00000000000000000000000000000ABC"] {
            assert_eq!(bad.parse::<Etag>(), Err(()), "{bad}");
        }
    }
}
