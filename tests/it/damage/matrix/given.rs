//! What a server left, and what must be found in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use prost::Message;
use stillframe::{pb, records::Snapshot};
use tempfile::TempDir;
use ulid::Ulid;

use crate::{
    records::given::copy_all,
    recovery::{child::Child, invariants::contents},
    support::{TestServer, records_of, snapshot_name, upsert},
};

pub type Documents = BTreeMap<String, String>;

/// A collection as it was.
pub struct Held {
    pub uid: String,
    pub documents: Documents,
}

/// A snapshot as it was.
pub struct Frozen {
    pub uid: String,
    pub collection_uid: String,
    pub documents: Documents,
}

/// The data of a server that has ended.
pub struct Given {
    dir: TempDir,
    /// How it ended.
    pub end: &'static str,
    /// The collections, by id.
    pub collections: BTreeMap<String, Held>,
    /// The CREATED snapshots, by id.
    pub snapshots: BTreeMap<String, Frozen>,
    /// The files with documents that the snapshots need, below the data directory.
    pub needed: BTreeSet<PathBuf>,
}

/// As it is stored.
#[derive(Clone, PartialEq, Message)]
struct FileList {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
}

impl Given {
    /// Stopped as it should be, or killed.
    pub async fn new(killed: bool) -> Self {
        let mut server = TestServer::start().await;
        let snapshots = first_life(&mut server).await;
        let dir = server.stop().await;
        let (dir, collections) = if killed {
            let mut child = Child::start(dir).await;
            let collections = second_life(&mut child.client).await;
            (child.kill().await, collections)
        } else {
            let mut server = TestServer::reopen(dir).await;
            let collections = second_life(&mut server).await;
            (server.stop().await, collections)
        };
        let end = if killed { "killed" } else { "stopped" };
        let mut given = Self { dir, end, collections, snapshots: BTreeMap::new(), needed: BTreeSet::new() };
        given.note_snapshots(snapshots).await;
        given
    }

    async fn note_snapshots(&mut self, frozen: BTreeMap<String, Documents>) {
        let records = records_of(&self.dir).await;
        for (id, documents) in frozen {
            let found = records.scan(&Snapshot::named(&snapshot_name(&id).parse().unwrap())).next().unwrap().unwrap();
            let (uid, collection_uid) = (found.uid.to_string(), found.collection_uid.to_string());
            let list = std::fs::read(self.dir.path().join("storage/files").join(&uid)).unwrap();
            for file in FileList::decode(&*list).unwrap().files {
                let name = format!("{}.sst", Ulid::from_bytes(file.id.try_into().unwrap()));
                self.needed.insert(Path::new("storage/collections").join(&collection_uid).join("compacted").join(name));
            }
            self.snapshots.insert(id, Frozen { uid, collection_uid, documents });
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A copy, to be damaged. No file of it is linked to another.
    pub fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.path(), copy.path());
        copy
    }
}

/// Makes collections, and snapshots with what each holds.
async fn first_life(server: &mut TestServer) -> BTreeMap<String, Documents> {
    let mut frozen = BTreeMap::new();
    for (id, count) in [("books", 60), ("films", 40), ("gone", 30)] {
        server.given_collection(id).await;
        server.given_documents(id, count, 1).await;
    }
    server.given_retained("kept", std::time::Duration::from_hours(24)).await;
    server.given_documents("kept", 50, 1).await;
    for (collection, snapshot) in [("books", "monday"), ("films", "reel"), ("gone", "old"), ("kept", "recent")] {
        server.given_snapshot(collection, snapshot).await;
        frozen.insert(snapshot.to_owned(), contents(server, collection).await);
    }
    server.given_documents("books", 20, 2).await;
    server.given_snapshot("books", "tuesday").await;
    frozen.insert("tuesday".to_owned(), contents(server, "books").await);
    server.given_restore("monday", "again").await;
    server.delete_collection("gone").await.unwrap();
    server.given_documents("films", 10, 2).await;
    frozen
}

/// Writes what only logs have, and tells what each collection holds.
async fn second_life(server: &mut TestServer) -> BTreeMap<String, Held> {
    let mut collections = BTreeMap::new();
    for id in ["books", "films", "kept", "again"] {
        for n in 0..3 {
            server.write(id, vec![upsert(&format!("late-{n}"), r#"{"late":true}"#)]).await;
        }
        let pb::Collection { uid, .. } = server.collection(id).await.unwrap();
        collections.insert(id.to_owned(), Held { uid, documents: contents(server, id).await });
    }
    collections
}
