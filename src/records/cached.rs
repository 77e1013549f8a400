//! The cached values of each kind.

use uuid::Uuid;

use super::{Cached, Key};
pub use crate::stored::{ApiKeyUse, ClockSeen};

impl ApiKeyUse {
    /// When the key of this uid was last used.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::from_bytes(format!("{}{}", Self::PREFIX, uid.simple()).into_bytes())
    }
}

impl Cached for ApiKeyUse {
    const PREFIX: &'static str = "u/";

    fn key(&self) -> Key<Self> {
        // One that is damaged is nobody's.
        Self::at(Uuid::from_slice(&self.uid).unwrap_or_default())
    }
}

impl ClockSeen {
    /// The only one.
    #[must_use]
    pub fn the_only() -> Key<Self> {
        Key::from_bytes(Self::PREFIX.into())
    }
}

impl Cached for ClockSeen {
    const PREFIX: &'static str = "b/";

    fn key(&self) -> Key<Self> {
        Self::the_only()
    }
}
