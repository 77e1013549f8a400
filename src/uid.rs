//! Uids, as they are stored.

use uuid::Uuid;

/// The uid in a record. Only ever 16 bytes that we wrote; anything else reads
/// as the nil uid, which no resource bears.
#[must_use]
pub fn uid(bytes: &[u8]) -> Uuid {
    Uuid::from_slice(bytes).unwrap_or_default()
}
