//! One damaged object harms only itself: lists go on, and so does all that is whole.

use std::{path::PathBuf, time::Duration};

use stillframe::pb;
use tempfile::TempDir;
use tonic::Code;

use super::newest_manifest;
use crate::{
    recovery::invariants::{collections, sources},
    sources::ndjson,
    support::{DEADLINE, TestServer, eventually, refused, upsert},
};

/// A file that was emptied.
struct Emptied {
    path: PathBuf,
    contents: Vec<u8>,
}

impl Emptied {
    fn new(path: PathBuf) -> Self {
        let contents = std::fs::read(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        Self { path, contents }
    }

    fn undo(&self) {
        std::fs::write(&self.path, &self.contents).unwrap();
    }
}

/// `books`, whose newest manifest is emptied, and `films`, of a server that has stopped.
/// Nobody remembers what they hold: it is in the index, which is gone.
async fn given_damaged() -> (TempDir, Emptied) {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    for collection in ["books", "films"] {
        if collection == "films" {
            server.given_collection("films").await;
        }
        server.given_documents(collection, 100, 1).await;
    }
    server.import("a.ndjson", ndjson(0, 5, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    server.given_snapshot("books", "monday").await;
    let database = server.files(&books.uid);
    let dir = server.stop().await;
    std::fs::remove_dir_all(dir.path().join("metadata")).unwrap();
    (dir, Emptied::new(newest_manifest(&database)))
}

/// A collection that is shown without what it holds, and why.
#[track_caller]
fn assert_damaged(shown: &pb::Collection) {
    let error = shown.error.as_ref().expect("an error");
    assert_eq!(Code::from(error.code), Code::DataLoss, "{error:?}");
    assert_eq!(error.details.len(), 1, "an ErrorInfo");
    assert_eq!(shown.stats, None);
    assert_eq!(shown.state(), pb::collection::State::Ready);
}

#[apply(on_each_storage!)]
async fn a_damaged_collection_is_listed_with_its_error() {
    let (dir, _) = given_damaged().await;
    let mut server = TestServer::reopen(dir).await;
    let [books, films] = collections(&mut server).await.try_into().unwrap();
    assert_damaged(&books);
    assert_eq!((films.stats.unwrap().document_count, films.error), (100, None));
    assert_damaged(&server.collection("books").await.unwrap());
    refused(server.try_get("books", "000000").await, Code::DataLoss, "DATA_LOSS");

    // What is wrong with its data is nothing to its record, or to the other one.
    let described = pb::Collection { description: "damaged".to_owned(), ..books };
    let described = server.update_collection(described, Some(&["description"])).await.unwrap();
    assert_damaged(&described);
    assert_eq!(described.description, "damaged");
    server.write("films", vec![upsert("new", "{}")]).await;
    server.delete_collection("books").await.unwrap();
    assert_eq!(collections(&mut server).await.len(), 1);
    server.given_collection("books").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_source_of_a_damaged_collection_ends_in_error() {
    let (dir, _) = given_damaged().await;
    let mut server = TestServer::reopen(dir).await;
    eventually("it ends", async || {
        let [source] = sources(&mut server).await.try_into().unwrap();
        let code = source.error.as_ref().map(|error| Code::from(error.code));
        source.state() == pb::source::State::Error && code == Some(Code::DataLoss)
    })
    .await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn lists_do_not_open_it_again_and_again() {
    let (dir, manifest) = given_damaged().await;
    let mut server = TestServer::reopen_with(dir, |config| config.tuning.idle_close = DEADLINE).await.unwrap();
    assert_damaged(&collections(&mut server).await[0]);
    manifest.undo();
    // Whoever opened it now would find it whole.
    assert_damaged(&collections(&mut server).await[0]);
    assert_damaged(&server.collection("books").await.unwrap());
    // As whoever reads it does.
    eventually("it is read", async || server.try_get("books", "000000").await.is_ok()).await;
    assert_eq!(server.stats("books").await.document_count, 100);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn lists_look_again_after_a_while() {
    let (dir, manifest) = given_damaged().await;
    let quick = Duration::from_millis(50);
    let mut server = TestServer::reopen_with(dir, |config| config.tuning.idle_close = quick).await.unwrap();
    assert_damaged(&server.collection("books").await.unwrap());
    manifest.undo();
    eventually("it is whole", async || server.collection("books").await.unwrap().error.is_none()).await;
    assert_eq!(server.stats("books").await.document_count, 100);
    server.stop().await;
}

/// The file list of `monday` is lost, and the manifest that it could be derived from.
#[apply(on_each_storage!)]
async fn a_lost_file_list_harms_only_its_snapshot() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let then = server.scan("books").await;
    let monday = server.given_snapshot("books", "monday").await;
    server.given_documents("books", 50, 2).await;
    server.given_snapshot("books", "tuesday").await;
    server.given_documents("books", 25, 3).await;
    let now = server.scan("books").await;
    let dir = server.stop().await;

    let [list, manifest] =
        ["files", "manifests"].map(|folder| Emptied::new(dir.path().join("storage").join(folder).join(&monday.uid)));

    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.scan("books").await, now);
    assert_eq!(server.stats("books").await.document_count, 100);
    server.write("books", vec![upsert("000000", "{}")]).await;
    assert_eq!(server.get_snapshot("monday").await.unwrap().exclusive_bytes, None);
    assert_eq!(server.get_snapshot("tuesday").await.unwrap().exclusive_bytes, None, "monday may share them");
    server.given_restore("tuesday", "whole").await;
    let wednesday = server.given_snapshot("books", "wednesday").await;
    assert_eq!(wednesday.document_count, 100);
    server.request_restore("monday", "lost").await.unwrap();
    assert_eq!(server.ended_restore("lost").await.state(), pb::restore::State::Failed);
    let error = server.get_restore("lost").await.unwrap().error.unwrap();
    assert_eq!(Code::from(error.code), Code::DataLoss);
    assert!(error.message.contains(&format!("files/{}", monday.uid)), "{}", error.message);

    // Nothing of it is gone meanwhile.
    server.delete_snapshot("tuesday").await.unwrap();
    server.given_documents("books", 100, 4).await;
    server.given_snapshot("books", "thursday").await;
    let dir = server.stop().await;
    list.undo();
    manifest.undo();
    let mut server = TestServer::reopen(dir).await;
    server.given_restore("monday", "found").await;
    assert_eq!(server.scan("found").await, then);
    assert!(server.get_snapshot("monday").await.unwrap().exclusive_bytes.is_some());
    server.stop().await;
}
