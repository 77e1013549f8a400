//! A data directory and a storage root that do not belong together are refused,
//! and nothing in them is touched.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use stillframe::{
    app::{App, Config},
    clock::{Clock, new_uid},
    documents::Storage,
    error::Error,
    instance::StartError,
};
use tempfile::TempDir;

use super::{
    super::{
        records::given::copy_all,
        support::{TestServer, config, eventually, records_of, upsert},
    },
    invariants::{check, contents},
};

const MARKER: &str = "stillframe.json";

/// A data directory with a collection and a snapshot of it.
async fn given_root() -> TempDir {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    server.stop().await
}

/// A server refuses to start, and leaves the root as it is.
async fn refused(data: &Path, storage: &Path) -> StartError {
    let before = listing(storage);
    let config = Config { storage: Some(Storage::Directory(storage.to_owned())), ..config(data) };
    let mut refusal = None;
    eventually("an earlier server has let go of the metadata", async || {
        refusal = Some(App::open(config.clone(), Clock::default()).await.err().expect("refused"));
        !matches!(refusal, Some(StartError::Storage(Error::Unavailable(_))))
    })
    .await;
    let error = refusal.unwrap();
    assert_eq!(listing(storage), before, "{error}");
    error
}

async fn starts_again(dir: TempDir) {
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(contents(&mut server, "books").await.len(), 50);
    check(&mut server).await;
    server.stop().await;
}

/// Every file below a directory, with what is in it, and every directory.
fn listing(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), None);
                directories.push(path);
            } else {
                found.insert(path.clone(), Some(std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

#[apply(on_directory!)]
async fn a_second_server_on_the_same_data_is_refused() {
    let server = TestServer::start().await;
    let error = App::open(config(server.dir.path()), Clock::default()).await.err();
    assert!(matches!(error, Some(StartError::Locked(_))), "{error:?}");
    TestServer::reopen(server.stop().await).await.stop().await;
}

/// A copy of a data directory is the same instance; the root itself is locked.
#[apply(on_directory!)]
async fn a_twin_on_the_same_root_is_refused_while_the_first_has_it() {
    let dir = given_root().await;
    drop(records_of(&dir).await);
    let twin = tempfile::tempdir().unwrap();
    copy_all(&dir.path().join("metadata"), &twin.path().join("metadata"));
    std::fs::copy(dir.path().join(MARKER), twin.path().join(MARKER)).unwrap();
    let storage = dir.path().join("storage");
    let mut first = TestServer::reopen(dir).await;
    let error = refused(twin.path(), &storage).await;
    assert!(matches!(error, StartError::RootLocked(_)), "{error:?}");
    first.write("books", vec![upsert("more", "{}")]).await;
    assert_eq!(contents(&mut first, "books").await.len(), 51);
    check(&mut first).await;
    first.stop().await;
}

#[apply(on_directory!)]
async fn an_empty_data_directory_does_not_take_a_root_over() {
    let dir = given_root().await;
    let empty = tempfile::tempdir().unwrap();
    let storage = dir.path().join("storage");
    std::fs::write(storage.join("records/upload#7"), b"half").unwrap();
    let error = refused(empty.path(), &storage).await;
    assert!(matches!(error, StartError::Foreign { .. }), "{error:?}");
    starts_again(dir).await;
}

#[apply(on_directory!)]
async fn the_data_directory_of_another_instance_is_refused() {
    let (ours, theirs) = (given_root().await, given_root().await);
    let error = refused(ours.path(), &theirs.path().join("storage")).await;
    assert!(matches!(error, StartError::Foreign { .. }), "{error:?}");
    starts_again(ours).await;
    starts_again(theirs).await;
}

#[apply(on_directory!)]
async fn a_root_that_is_not_mounted_is_refused() {
    let dir = given_root().await;
    let (storage, aside) = (dir.path().join("storage"), dir.path().join("aside"));
    std::fs::rename(&storage, &aside).unwrap();
    std::fs::create_dir(&storage).unwrap();
    let error = refused(dir.path(), &storage).await;
    assert!(matches!(error, StartError::RootEmpty { .. }), "{error:?}");
    std::fs::remove_dir(&storage).unwrap();
    std::fs::rename(&aside, &storage).unwrap();
    starts_again(dir).await;
}

/// Whatever the metadata knows has objects: with nothing but the first
/// workspace, an empty root is still not the one that was marked.
#[apply(on_directory!)]
async fn an_emptied_root_is_refused_even_before_the_first_collection() {
    let dir = TestServer::start().await.stop().await;
    let storage = dir.path().join("storage");
    std::fs::remove_dir_all(&storage).unwrap();
    std::fs::create_dir(&storage).unwrap();
    let error = refused(dir.path(), &storage).await;
    assert!(matches!(error, StartError::RootEmpty { .. }), "{error:?}");
}

#[apply(on_directory!)]
async fn a_root_without_its_marker_is_refused_until_it_is_put_back() {
    let dir = given_root().await;
    let storage = dir.path().join("storage");
    let original: serde_json::Value = marker(&storage);
    std::fs::remove_file(storage.join(MARKER)).unwrap();
    let error = refused(dir.path(), &storage).await;
    assert!(matches!(error, StartError::NoMarker { .. }), "{error:?}");
    // The message has what to put there.
    let text = error.to_string();
    let advice = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
    assert_eq!(marker_of(advice.as_bytes())["uid"], original["uid"]);
    std::fs::write(storage.join(MARKER), advice).unwrap();
    let dir = TestServer::reopen(dir).await.stop().await;
    assert_eq!(marker(&storage), original);
    starts_again(dir).await;
}

/// A server that never had a collection has marked its root, too.
#[apply(on_directory!)]
async fn a_new_root_without_its_marker_is_refused() {
    let dir = TestServer::start().await.stop().await;
    let storage = dir.path().join("storage");
    std::fs::remove_file(storage.join(MARKER)).unwrap();
    let error = refused(dir.path(), &storage).await;
    assert!(matches!(error, StartError::NoMarker { .. }), "{error:?}");
}

#[apply(on_directory!)]
async fn a_foreign_directory_is_not_marked() {
    let (data, storage) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(storage.path().join("thesis.tex"), b"years of work").unwrap();
    let error = refused(data.path(), storage.path()).await;
    assert!(matches!(error, StartError::NoMarker { .. }), "{error:?}");
}

#[apply(on_directory!)]
async fn a_marker_that_cannot_be_read_or_is_newer_is_refused() {
    let dir = given_root().await;
    let storage = dir.path().join("storage");
    let original = std::fs::read(storage.join(MARKER)).unwrap();
    for damaged in ["", "{", "[]", r#"{"format_version":1}"#, r#"{"uid":"x","format_version":1}"#] {
        std::fs::write(storage.join(MARKER), damaged).unwrap();
        let error = refused(dir.path(), &storage).await;
        assert!(matches!(error, StartError::Damaged(_)), "{damaged}: {error:?}");
    }
    let mut newer = marker_of(&original);
    newer["format_version"] = 5.into();
    std::fs::write(storage.join(MARKER), newer.to_string()).unwrap();
    let error = refused(dir.path(), &storage).await;
    assert!(matches!(error, StartError::Newer { version: 5, .. }), "{error:?}");
    std::fs::write(storage.join(MARKER), original).unwrap();
    starts_again(dir).await;
}

/// The data directory goes first; the root's marker is made up for.
#[apply(on_directory!)]
async fn a_crash_between_the_two_markers_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let uid = new_uid();
    let unmarked = format!(r#"{{"uid":"{uid}","format_version":2,"root_marked":false}}"#);
    std::fs::write(dir.path().join(MARKER), unmarked).unwrap();
    let dir = TestServer::reopen(dir).await.stop().await;
    assert_eq!(marker(&dir.path().join("storage"))["uid"], uid.to_string());
    TestServer::reopen(dir).await.stop().await;
}

fn marker(storage: &Path) -> serde_json::Value {
    marker_of(&std::fs::read(storage.join(MARKER)).unwrap())
}

fn marker_of(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}
