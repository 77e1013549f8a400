//! The stored form of a document: version (1), event time (i64), digest (u128),
//! changed_at (i64), all little endian, then the body.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    entry::Entry,
    keys::{self, Bucket, ONLY_BUCKET},
};
use crate::{clock::Micros, error::Error};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + 8 + 16 + 8;

/// What a document counts for in `size_bytes`: its id, its body and its time.
#[must_use]
pub fn size(id: &str, body_len: usize) -> i64 {
    i64::try_from(id.len() + 8 + body_len).unwrap_or(i64::MAX)
}

/// Encodes a document.
#[must_use]
pub fn encode(event_time: Micros, digest: u128, changed_at: i64, body: &[u8]) -> Bytes {
    let mut value = BytesMut::with_capacity(HEADER_LEN + body.len());
    value.put_u8(VERSION);
    value.put_i64_le(event_time);
    value.put_u128_le(digest);
    value.put_i64_le(changed_at);
    value.put_slice(body);
    value.freeze()
}

/// The body in an encoded document.
#[must_use]
pub fn body_of(value: &Bytes) -> Bytes {
    value.slice(HEADER_LEN..)
}

/// A document as it is stored. Its parts borrow from the block it was read of.
#[derive(Clone, Debug)]
pub struct StoredDocument {
    key: Bytes,
    value: Bytes,
}

impl StoredDocument {
    /// Takes a key and a value as read.
    pub fn new(key: Bytes, value: Bytes) -> Result<Self, Error> {
        if value.len() < HEADER_LEN || value[0] != VERSION || keys::parse_document(&key).is_none() {
            return Err(Error::DataLoss(format!("the entry {key:?} is not a document")));
        }
        Ok(Self { key, value })
    }

    /// Its key, for a cursor.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The bucket it is in.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        keys::parse_document(&self.key).map_or(ONLY_BUCKET, |(bucket, _)| bucket)
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        keys::parse_document(&self.key).map_or("", |(_, id)| id)
    }

    /// When it happened.
    #[must_use]
    pub fn event_time(&self) -> Micros {
        Micros::from_le_bytes(self.field(1))
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> u128 {
        u128::from_le_bytes(self.field(9))
    }

    /// The offset of the write that made it.
    #[must_use]
    pub fn changed_at(&self) -> i64 {
        i64::from_le_bytes(self.field(25))
    }

    /// Its JSON.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.value.slice(HEADER_LEN..)
    }

    /// What it counts for in `size_bytes`.
    #[must_use]
    pub fn size(&self) -> i64 {
        size(self.id(), self.value.len() - HEADER_LEN)
    }

    /// What the totals need to know of it.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { digest: self.digest(), size: self.size(), changed_at: self.changed_at(), event_time: self.event_time() }
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.value[at..at + N]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back_as_it_was_stored() {
        let value = encode(-5, 99, 7, b"{\"a\":1}");
        // The stored form is for ever.
        insta::assert_snapshot!(format!("{:02x?}", value.as_ref()));
        let document = StoredDocument::new(keys::document(0, "x"), value).unwrap();
        assert_eq!((document.id(), document.event_time(), document.digest(), document.changed_at()), ("x", -5, 99, 7));
        assert_eq!(document.body(), "{\"a\":1}");
        assert_eq!(document.size(), 1 + 8 + 7);
    }

    #[test]
    fn a_short_or_foreign_value_is_damage() {
        for value in [Bytes::new(), Bytes::from_static(&[1; HEADER_LEN - 1]), Bytes::from_static(&[2; 40])] {
            assert!(matches!(StoredDocument::new(keys::document(0, "x"), value), Err(Error::DataLoss(_))));
        }
    }
}
