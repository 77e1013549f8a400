//! Objects that come, change and go.

use std::{
    ffi::OsStr,
    fs::Metadata,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
};

use stillframe::pb::{self, source::State};

use super::{documents, ndjson};
use crate::support::{TestServer, delete, eventually};

#[apply(on_each_storage!)]
async fn a_new_object_is_found_and_a_changed_one_ingested_again() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;

    server.import("b.ndjson", ndjson(3, 5, 1));
    assert_eq!(server.ingested("books", 2).await.documents_ingested, 5);

    server.import("a.ndjson", ndjson(0, 4, 2));
    let ended = server.ingested("books", 3).await;
    assert_eq!(ended.documents_ingested, 9, "from its start");
    let mut expected = documents(0, 4, 2);
    expected.extend(documents(4, 5, 1));
    assert_eq!(server.scan("books").await, expected);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_object_is_ingested_once_however_often_it_is_scanned() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    server.write("books", vec![delete("000001")]).await;
    let offset = server.stats("books").await.offset;
    let again = server.scanned_again("books").await;
    assert_eq!((again.objects_done, again.documents_ingested), (1, 3));
    assert_eq!(server.stats("books").await.offset, offset);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_object_that_vanishes_leaves_its_documents_and_is_new_when_it_comes_back() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let path = server.import("a.ndjson", ndjson(0, 3, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    let aside = server.dir.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    server.scanned_again("books").await;
    assert_eq!(server.scan("books").await, documents(0, 3, 1));
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(server.ingested("books", 2).await.documents_ingested, 6);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_file_rewritten_in_place_is_read_again_whatever_its_time_says() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let path = server.import("a.ndjson", ndjson(0, 3, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    server.suspend("books").await;
    server.becomes("books", State::Suspended).await;
    let before = path.metadata().unwrap();
    std::fs::write(&path, ndjson(0, 3, 2)).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let after = path.metadata().unwrap();
    let looks = |file: &Metadata| (file.ino(), file.len(), file.modified().unwrap());
    assert_eq!(looks(&before), looks(&after));
    server.resume("books").await;
    assert_eq!(server.ingested("books", 2).await.documents_ingested, 6);
    assert_eq!(server.scan("books").await, documents(0, 3, 2));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_name_that_is_not_utf_8_is_counted_and_named() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("a.ndjson", ndjson(0, 3, 1));
    let import = server.dir.path().join("import");
    let [file, other, directory] =
        [&b"caf\xE9.ndjson"[..], b"caf\xE9.txt", b"d\xFF\xC3"].map(|name| import.join(OsStr::from_bytes(name)));
    std::fs::create_dir(&directory).unwrap();
    for path in [&file, &other, &directory.join("x.ndjson")] {
        std::fs::write(path, ndjson(3, 4, 1)).unwrap();
    }
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 3).await;
    let bad: Vec<_> = ended.first_bad_records.iter().map(|bad| (bad.path.as_str(), bad.line)).collect();
    assert_eq!(bad, [("caf\\xE9.ndjson", 0), (r"d\xFF\xC3/x.ndjson", 0)]);
    assert!(ended.first_bad_records.iter().all(|bad| bad.reason == "its name is not UTF-8: rename it"));
    assert_eq!((ended.documents_ingested, server.scanned_again("books").await.bad_records), (3, 2), "told once");
    std::fs::rename(file, import.join("café.ndjson")).unwrap();
    assert_eq!(server.ingested("books", 4).await.documents_ingested, 4);
    assert_eq!(server.scan("books").await, documents(0, 4, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_location_that_is_not_there_yet_is_waited_for() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_source("books", pb::Source::default()).await;
    let mut seen = pb::Source::default();
    eventually("the source says so", async || {
        seen = server.source("books").await;
        seen.error.is_some()
    })
    .await;
    assert_eq!(seen.error.unwrap().message, "the location cannot be read: it does not exist");
    server.import("a.ndjson", ndjson(0, 3, 1));
    server.ingested("books", 1).await;
    // It is that of the last scan until this one has ended, too.
    eventually("the error goes", async || server.source("books").await.error.is_none()).await;
    server.stop().await;
}
