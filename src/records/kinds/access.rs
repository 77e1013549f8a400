//! Whether keys are required, and which secrets were taken over.

use xxhash_rust::xxh3::xxh3_128;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    records::{Key, Record},
    stored,
};

/// There is one from the first key on, for good: a server whose keys have all ended must
/// not let everybody in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// Since when.
    pub create_time: Micros,
}

/// What the bootstrap file held when it was taken over, so that a key that was revoked does
/// not come back with a later start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapSecret {
    /// Of the whole secret.
    pub secret_sha256: [u8; 32],
    /// When it was taken over.
    pub take_time: Micros,
}

impl Record for AccessPolicy {
    type Message = stored::AccessPolicy;
    const PREFIX: &'static str = "access/";

    fn key(&self) -> Key<Self> {
        Self::all()
    }

    fn read(message: stored::AccessPolicy) -> Result<Self, Damage> {
        // The secrets were divided before anything else reads it.
        let stored::AccessPolicy { create_time, bootstrap_sha256: _ } = message;
        Ok(Self { create_time })
    }

    fn message(&self) -> stored::AccessPolicy {
        stored::AccessPolicy { create_time: self.create_time, bootstrap_sha256: Vec::new() }
    }
}

impl Record for BootstrapSecret {
    type Message = stored::BootstrapSecret;
    const PREFIX: &'static str = "h/";

    /// Of the hash, which is nobody's business, only a hash.
    fn key(&self) -> Key<Self> {
        Key::of(format_args!("{:032x}", xxh3_128(&self.secret_sha256)))
    }

    fn read(message: stored::BootstrapSecret) -> Result<Self, Damage> {
        let stored::BootstrapSecret { secret_sha256, take_time } = message;
        Ok(Self { secret_sha256: damage::array("secret_sha256", &secret_sha256)?, take_time })
    }

    fn message(&self) -> stored::BootstrapSecret {
        stored::BootstrapSecret { secret_sha256: self.secret_sha256.into(), take_time: self.take_time }
    }
}
