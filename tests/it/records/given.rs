//! A stopped server's data, with a record of each kind, and what must be found in
//! copies of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use stillframe::{
    pb,
    records::{
        ApiKey, BootstrapSecret, Collection, Intent, Record, Records, RequestId, Restore, Retired, Snapshot, Source,
        SourcePosition, Workspace,
    },
};
use tempfile::TempDir;

use crate::{
    recovery::invariants::contents,
    sources::ndjson,
    support::{TestServer, records_of},
};

/// The data, and what is in it.
pub struct Given {
    pub dir: TempDir,
    /// Every record, as text.
    pub records: Vec<String>,
    /// The files with documents, below the data directory.
    pub files: BTreeSet<PathBuf>,
}

impl Given {
    /// Made by two lives of a server, so that sled has a snapshot of its own, too.
    pub async fn new() -> Self {
        let mut server = TestServer::start().await;
        server.given_collection("books").await;
        server.given_documents("books", 200, 1).await;
        server.given_snapshot("books", "monday").await;
        server.given_restore("monday", "again").await;
        let mut server = TestServer::reopen(server.stop().await).await;
        for n in 0..3 {
            let created = server.given_collection(&format!("large-{n}")).await;
            let large = pb::Collection { labels: large_labels(), ..created };
            server.update_collection(large, Some(&["labels"])).await.unwrap();
        }
        server.import("a.ndjson", ndjson(0, 5, 1));
        server.given_source("large-0", pb::Source::default()).await;
        server.ingested("large-0", 1).await;
        server.delete_collection("large-1").await.unwrap();
        server.given_documents("books", 100, 2).await;
        server.given_snapshot("books", "tuesday").await;
        let dir = server.stop().await;
        let records = everything(&records_of(&dir).await);
        let files = document_files(dir.path());
        Self { dir, records, files }
    }

    /// The index of the records.
    pub fn index(&self) -> PathBuf {
        self.dir.path().join("metadata")
    }

    /// A copy, to be damaged.
    pub fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_all(self.dir.path(), copy.path());
        copy
    }

    /// A server starts on damaged data as if nothing had happened.
    pub async fn check(&self, damaged: TempDir, what: &str) {
        let records = records_of(&damaged).await;
        assert_eq!(everything(&records), self.records, "{what}");
        drop(records);
        let mut server = TestServer::reopen(damaged).await;
        assert_eq!(contents(&mut server, "books").await.len(), 200, "{what}");
        assert_eq!(server.stats("books").await.document_count, 200, "{what}");
        assert_eq!(contents(&mut server, "again").await.len(), 200, "{what}");
        let damaged = server.stop().await;
        let gone: Vec<_> = self.files.difference(&document_files(damaged.path())).cloned().collect();
        assert!(gone.is_empty(), "{what}: {gone:?}");
    }
}

/// As large as they may be.
pub fn large_labels() -> BTreeMap<String, String> {
    (0..64).map(|n| (format!("{n:0>63}"), "v".repeat(255))).collect()
}

/// Every record, as text.
pub fn everything(records: &Records) -> Vec<String> {
    let mut all = Vec::new();
    macro_rules! each {
        ($($kind:ty),*) => { $(
            for found in records.scan(&<$kind>::all()) {
                all.push(format!("{:?}", found.unwrap()));
            }
        )* };
    }
    each!(
        Workspace,
        Collection,
        Snapshot,
        Restore,
        Source,
        SourcePosition,
        ApiKey,
        BootstrapSecret,
        Retired,
        Intent,
        RequestId
    );
    all
}

fn document_files(data: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut directories = vec![data.join("storage/collections")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.parent().is_some_and(|parent| parent.ends_with("compacted")) {
                found.insert(path.strip_prefix(data).unwrap().to_owned());
            }
        }
    }
    found
}

pub fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
