//! What was written before there were seals.

use std::collections::HashMap;

use parking_lot::RwLock;
use uuid::Uuid;

use super::place::{Kind, Place};

/// From which numbers on the objects of a database have seals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Of manifests.
    pub manifest: u64,
    /// Of lists of compactions.
    pub compactions: u64,
    /// Of logs.
    pub log: u64,
}

impl Since {
    /// Whether everything has seals.
    #[must_use]
    pub fn is_start(&self) -> bool {
        *self == Self::default()
    }
}

/// The databases that have objects without seals. It never comes from what is found in
/// them: without a seal everything looks old.
#[derive(Debug, Default)]
pub struct Older(RwLock<HashMap<Uuid, Since>>);

impl Older {
    /// Says since when a database has seals.
    pub fn note(&self, uid: Uuid, since: Since) {
        if !since.is_start() {
            self.0.write().insert(uid, since);
        }
    }

    /// Whether an object may have no seal.
    pub fn may_be(&self, place: Place) -> bool {
        self.0.read().get(&place.uid).is_some_and(|since| {
            place.id
                < match place.kind {
                    Kind::Manifest => since.manifest,
                    Kind::Compactions => since.compactions,
                    Kind::Log => since.log,
                }
        })
    }
}
