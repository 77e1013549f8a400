//! What a closed collection must still have when it is opened.

use uuid::Uuid;

use crate::{
    damage::{self, Damage},
    documents::{ObjectHash, Totals},
    records::{Key, Record},
    stored::{self, Acceptance, SealedFrom},
};

/// What is expected of a collection, from its creation to its removal: what it held, and
/// which objects were its newest, when it was closed last. It may have gone on since, but
/// not back.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The collection.
    pub uid: Uuid,
    /// Absent in one that an older version wrote and nobody has closed since.
    pub totals: Option<Totals>,
    /// The newest manifest.
    pub manifest_id: u64,
    /// That of its contents; absent if nobody knows.
    pub manifest_hash: Option<ObjectHash>,
    /// The newest object of its log.
    pub log_id: u64,
    /// Bytes of its files.
    pub stored_bytes: i64,
    /// Absent: all objects have seals.
    pub sealed_from: Option<SealedFrom>,
    /// An operator accepts what is left of it, and that has not ended: it may be half a repair.
    pub acceptance: Option<Acceptance>,
}

impl Expected {
    /// What is expected of the collection of this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::of(uid.simple())
    }

    /// Nothing yet.
    #[must_use]
    pub fn nothing_of(uid: Uuid) -> Self {
        Self {
            uid,
            totals: None,
            manifest_id: 0,
            manifest_hash: None,
            log_id: 0,
            stored_bytes: 0,
            sealed_from: None,
            acceptance: None,
        }
    }
}

impl Record for Expected {
    type Message = stored::Expected;
    const PREFIX: &'static str = "e/";

    fn key(&self) -> Key<Self> {
        Self::at(self.uid)
    }

    fn read(message: stored::Expected) -> Result<Self, Damage> {
        Ok(Self {
            uid: damage::uid("uid", &message.uid)?,
            totals: message.totals.as_ref().map(Totals::read).transpose()?,
            manifest_id: message.manifest_id,
            manifest_hash: ObjectHash::read("manifest_hash", &message.manifest_hash)?,
            log_id: message.log_id,
            stored_bytes: message.stored_bytes,
            sealed_from: message.sealed_from,
            acceptance: message.acceptance,
        })
    }

    fn message(&self) -> stored::Expected {
        let record = self.clone();
        stored::Expected {
            uid: record.uid.into(),
            totals: record.totals.map(Into::into),
            manifest_id: record.manifest_id,
            manifest_hash: ObjectHash::stored(record.manifest_hash),
            log_id: record.log_id,
            stored_bytes: record.stored_bytes,
            sealed_from: record.sealed_from,
            acceptance: record.acceptance,
        }
    }
}
