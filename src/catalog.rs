//! The root describes itself: each workspace, collection and snapshot record is
//! also an object under the storage root, written after the effect and before
//! the record is announced. The metadata store is the fast index; from these
//! objects it could be built again.

use prost::Message;
use uuid::Uuid;

use crate::{
    documents::{ObjectPath, Root, catalog},
    error::Error,
    metadata::{self, Collection, Snapshot, Workspace},
};

/// A record that the catalog keeps.
pub trait Cataloged: Message {
    /// Its folder.
    const KIND: &'static str;
    /// What names it for ever.
    fn catalog_uid(&self) -> Uuid;
}

macro_rules! cataloged {
    ($record:ty, $kind:literal) => {
        impl Cataloged for $record {
            const KIND: &'static str = $kind;

            fn catalog_uid(&self) -> Uuid {
                metadata::uid(&self.uid)
            }
        }
    };
}

cataloged!(Workspace, "workspace");
cataloged!(Collection, "collection");
cataloged!(Snapshot, "snapshot");

/// The catalog under a root. Clones share it.
#[derive(Clone, Debug)]
pub struct Catalog {
    root: Root,
}

impl Catalog {
    /// The catalog under this root.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    /// Writes a record.
    pub async fn put<R: Cataloged>(&self, record: &R) -> Result<(), Error> {
        self.root.put(&path(record), record.encode_to_vec()).await
    }

    /// Removes a record.
    pub async fn remove<R: Cataloged>(&self, record: &R) -> Result<(), Error> {
        self.root.delete(&path(record)).await
    }
}

fn path<R: Cataloged>(record: &R) -> ObjectPath {
    catalog(R::KIND, record.catalog_uid(), "pb")
}
