//! A server with two collections, and what is to be found when one is damaged.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use stillframe::pb::{self, snapshot};
use tempfile::TempDir;
use tonic::{Code, Status};

use crate::support::{TestServer, collection_name, refused, try_write, upsert};

type Contents = Vec<(String, String)>;

/// A stopped server with the collections `books` and `films`.
pub struct Given {
    pub dir: TempDir,
    pub books: PathBuf,
    pub films: PathBuf,
    before: Contents,
}

/// Both have been opened twice, and what was written last is in their logs.
pub async fn given() -> Given {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    let films = server.given_collection("films").await;
    server.given_documents("books", 200, 1).await;
    server.given_documents("films", 20, 1).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    for version in 2..4 {
        server.given_documents("books", 100, version).await;
        server.given_documents("films", 10, version).await;
    }
    let before = server.scan("books").await;
    let [books, films] = [books, films].map(|collection| server.files(&collection.uid));
    Given { dir: server.stop().await, books, films, before }
}

impl Given {
    /// The objects of a kind of `books`, the oldest first.
    pub fn objects(&self, folder: &str) -> Vec<PathBuf> {
        objects(&self.books.join(folder))
    }

    /// The newest of them.
    pub fn newest(&self, folder: &str) -> PathBuf {
        self.objects(folder).pop().unwrap()
    }

    /// Damages one object of `books` and starts: what is asked of `books` ends in
    /// DATA_LOSS with the name of the object, nothing of it is changed, and `films` goes
    /// on. With the object back all is as before.
    pub async fn assert_noticed(self, object: &Path, damage: impl Fn(&Path)) -> Self {
        let Self { dir, books, films, before } = self;
        let whole = std::fs::read(object).unwrap();
        damage(object);
        let damaged = listing(&books);
        let name = object.strip_prefix(dir.path().join("storage")).unwrap().to_str().unwrap().to_owned();

        let mut server = TestServer::reopen(dir).await;
        let lost = |status: Status| assert!(status.message().contains(&name), "{name}: {status:?}");
        lost(refused(server.try_get("books", "000000").await, Code::DataLoss, "DATA_LOSS"));
        lost(refused(try_write(&mut server, "new").await, Code::DataLoss, "DATA_LOSS"));
        lost(refused(streamed(&mut server, "books").await, Code::DataLoss, "DATA_LOSS"));
        server.request_snapshot("books", "of-damage").await.unwrap();
        let ended = server.watch_snapshot("of-damage").await.pop().unwrap();
        let error = ended.error.clone().unwrap();
        assert_eq!((ended.state(), Code::from(error.code)), (snapshot::State::Failed, Code::DataLoss));
        assert!(error.message.contains(&name), "{name}: {error:?}");
        server.write("films", vec![upsert("new", "{}")]).await;
        server.given_snapshot("films", "of-films").await;
        let dir = server.stop().await;
        assert_eq!(listing(&books), damaged, "{name}: nothing is written, nothing is deleted");

        std::fs::write(object, whole).unwrap();
        let mut server = TestServer::reopen(dir).await;
        assert_eq!(server.scan("books").await, before, "{name}");
        server.delete_snapshot("of-films").await.unwrap();
        server.delete_snapshot("of-damage").await.unwrap();
        Self { dir: server.stop().await, books, films, before }
    }
}

/// The first answer of a stream, which may be an error.
async fn streamed(server: &mut TestServer, collection: &str) -> Result<(), Status> {
    let request = pb::StreamDocumentsRequest { collection: collection_name(collection), ..Default::default() };
    let mut stream = server.documents.stream_documents(request).await?.into_inner();
    stream.message().await.map(drop)
}

/// The objects in a folder, the oldest first.
pub fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Every file below a directory, with what is in it.
pub fn listing(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in objects(directory) {
        if path.is_dir() {
            found.extend(listing(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

pub fn empty(object: &Path) {
    std::fs::write(object, b"").unwrap();
}

pub fn remove(object: &Path) {
    std::fs::remove_file(object).unwrap();
}

pub fn overwrite(object: &Path, with: &Path) {
    std::fs::copy(with, object).unwrap();
}
