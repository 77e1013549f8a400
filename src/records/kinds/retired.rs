//! What is left of resources that are deleted, or not yet there.

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    names::CollectionName,
    records::{Key, Record},
    stored,
};

/// A deleted collection whose bytes are not all given back yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Its uid.
    pub uid: Uuid,
    /// What it was called.
    pub name: CollectionName,
    /// When it was deleted.
    pub delete_time: Micros,
}

/// Objects are about to be written under a prefix that no record names yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The uid of what is to be made.
    pub uid: Uuid,
    /// Since when.
    pub create_time: Micros,
}

/// A deleted source whose marks are still in its collection's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredSource {
    /// Its uid.
    pub uid: Uuid,
    /// Its collection.
    pub collection: CollectionName,
    /// The uid of that.
    pub collection_uid: Uuid,
}

impl Retired {
    /// The deleted collection of this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::of(uid.simple())
    }
}

impl Record for Retired {
    type Message = stored::Retired;
    const PREFIX: &'static str = "x/";

    fn key(&self) -> Key<Self> {
        Self::at(self.uid)
    }

    fn read(message: stored::Retired) -> Result<Self, Damage> {
        let stored::Retired { uid, name, delete_time } = message;
        Ok(Self { uid: damage::uid("uid", &uid)?, name: damage::parsed("name", &name)?, delete_time })
    }

    fn message(&self) -> stored::Retired {
        let Self { uid, name, delete_time } = self;
        stored::Retired { uid: (*uid).into(), name: name.to_string(), delete_time: *delete_time }
    }
}

impl Intent {
    /// The intent for this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::of(uid.simple())
    }
}

impl Record for Intent {
    type Message = stored::Intent;
    const PREFIX: &'static str = "i/";

    fn key(&self) -> Key<Self> {
        Self::at(self.uid)
    }

    fn read(message: stored::Intent) -> Result<Self, Damage> {
        let stored::Intent { uid, create_time } = message;
        Ok(Self { uid: damage::uid("uid", &uid)?, create_time })
    }

    fn message(&self) -> stored::Intent {
        stored::Intent { uid: self.uid.into(), create_time: self.create_time }
    }
}

impl RetiredSource {
    /// The deleted source of this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::of(uid.simple())
    }
}

impl Record for RetiredSource {
    type Message = stored::RetiredSource;
    const PREFIX: &'static str = "y/";

    fn key(&self) -> Key<Self> {
        Self::at(self.uid)
    }

    fn read(message: stored::RetiredSource) -> Result<Self, Damage> {
        let stored::RetiredSource { uid, workspace, collection, collection_uid } = message;
        Ok(Self {
            uid: damage::uid("uid", &uid)?,
            collection: CollectionName {
                workspace: damage::parsed("workspace", &workspace)?,
                id: damage::parsed("collection", &collection)?,
            },
            collection_uid: damage::uid("collection_uid", &collection_uid)?,
        })
    }

    fn message(&self) -> stored::RetiredSource {
        let Self { uid, collection: CollectionName { workspace, id }, collection_uid } = self;
        stored::RetiredSource {
            uid: (*uid).into(),
            workspace: workspace.to_string(),
            collection: id.to_string(),
            collection_uid: (*collection_uid).into(),
        }
    }
}
