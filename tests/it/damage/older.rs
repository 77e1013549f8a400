//! A root of before there were seals: what it has stays readable, and what is written
//! from then on is sealed.

use std::path::Path;

use stillframe::records::{Change, Expected};
use tempfile::TempDir;
use tonic::Code;
use uuid::Uuid;

use super::given::{empty, objects};
use crate::support::{TestServer, records_of, refused};

const SEAL: usize = 96;
const MAGIC: &[u8] = b"stillframe-seal1";

fn is_sealed(object: &Path) -> bool {
    let bytes = std::fs::read(object).unwrap();
    bytes.len() >= SEAL && bytes[bytes.len() - SEAL..].starts_with(MAGIC)
}

/// Makes a root as format 2 had it, of one with a collection.
async fn take_seals_away(dir: &TempDir, collection: &Path, uid: Uuid) {
    for folder in ["manifest", "compactions", "wal"] {
        for object in objects(&collection.join(folder)) {
            assert!(is_sealed(&object), "{}", object.display());
            let bytes = std::fs::read(&object).unwrap();
            std::fs::write(&object, &bytes[..bytes.len() - SEAL]).unwrap();
        }
    }
    let records = records_of(dir).await;
    records.change(|| Ok((Change::default().forget(Expected::at(uid)), ()))).await.unwrap();
    records.save().await.unwrap();
    mark(dir, 2);
}

fn mark(dir: &TempDir, version: u64) {
    for directory in [dir.path().to_owned(), dir.path().join("storage")] {
        let file = directory.join("stillframe.json");
        let mut marker: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        marker["format_version"] = version.into();
        std::fs::write(file, marker.to_string()).unwrap();
    }
}

#[apply(on_directory!)]
async fn a_root_of_format_2_is_sealed_from_its_first_start_on() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 200, 1).await;
    server.given_snapshot("books", "monday").await;
    let monday = server.scan("books").await;
    server.given_documents("books", 100, 2).await;
    let before = server.scan("books").await;
    let files = server.files(&books.uid);
    let dir = server.stop().await;
    take_seals_away(&dir, &files, books.uid.parse().unwrap()).await;

    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.scan("books").await, before);
    server.given_restore("monday", "again").await;
    assert_eq!(server.scan("again").await, monday);
    server.given_documents("books", 10, 3).await;
    let dir = server.stop().await;
    let logs = objects(&files.join("wal"));
    assert!(!is_sealed(&logs[0]) && is_sealed(logs.last().unwrap()));
    let marker = std::fs::read_to_string(dir.path().join("storage/stillframe.json")).unwrap();
    assert!(marker.contains(r#""format_version":4"#), "{marker}");

    empty(logs.last().unwrap());
    let mut server = TestServer::reopen(dir).await;
    refused(server.try_get("books", "000000").await, Code::DataLoss, "DATA_LOSS");
    assert_eq!(server.scan("again").await, monday);
    server.stop().await;
}
