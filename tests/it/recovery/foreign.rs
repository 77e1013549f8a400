//! Nothing unknown is ever deleted; what a durable record names is.

use std::path::Path;

use stillframe::{
    clock::new_uid,
    pb,
    records::{Change, Intent},
};

use super::{
    super::support::{TestServer, collection_name, records_of},
    invariants::check,
};

#[apply(on_directory!)]
async fn unknown_directories_are_left_alone() {
    let server = TestServer::start().await;
    let storage = server.dir.path().join("storage");
    let dir = server.stop().await;
    // Somebody's notes, and what looks like a collection but has no record.
    let unknown = ["collections/notes".to_owned(), format!("collections/{}", new_uid()), "backup".to_owned()];
    for name in &unknown {
        let inner = storage.join(name).join("compacted");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("01J00000000000000000000000.sst"), b"precious").unwrap();
        std::fs::write(inner.join("issue#1"), b"precious").unwrap();
    }
    let mut server = TestServer::reopen(dir).await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    server.given_restore("monday", "again").await;
    for id in ["books", "again"] {
        let request = pb::DeleteCollectionRequest { name: collection_name(id), ..Default::default() };
        server.collections.delete_collection(request).await.unwrap();
    }
    let dir = TestServer::reopen(server.stop().await).await.stop().await;
    for name in &unknown {
        let inner = storage.join(name).join("compacted");
        assert_eq!(files(&inner), ["01J00000000000000000000000.sst", "issue#1"], "{name}");
    }
    drop(dir);
}

#[apply(on_directory!)]
async fn unfinished_uploads_are_swept_at_start() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    let files = server.files(&books.uid);
    let storage = server.dir.path().join("storage");
    let dir = server.stop().await;
    let unfinished = [
        storage.join("stillframe.json#1"),
        storage.join("files/x#12"),
        storage.join("records/00000000000000000009#1"),
        files.join("manifest/00000000000000000009.manifest#1"),
        files.join("wal/00000000000000000009.sst#3"),
        files.join("compacted/01J00000000000000000000000.sst#copy"),
    ];
    for path in &unfinished {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"half").unwrap();
    }
    let mut server = TestServer::reopen(dir).await;
    for path in unfinished {
        assert!(!path.exists(), "{}", path.display());
    }
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_an_intent_names_is_removed_with_it() {
    let server = TestServer::start().await;
    let storage = server.dir.path().join("storage");
    let dir = server.stop().await;
    let uid = new_uid();
    let intent = Intent { uid, create_time: 1 };
    let records = records_of(&dir).await;
    records.commit(Change::default().insert(&intent)).await.unwrap();
    drop(records);
    let begun = storage.join("collections").join(uid.to_string());
    std::fs::create_dir_all(begun.join("wal")).unwrap();
    std::fs::write(begun.join("wal/00000000000000000001.sst"), b"begun").unwrap();

    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    assert!(!begun.exists());
    let dir = server.stop().await;
    let records = records_of(&dir).await;
    assert!(records.get(&Intent::at(uid)).unwrap().is_none(), "W3");
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
