//! `stillframe records`: what operators are told of the records, and the way in with
//! nothing but the storage root.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use stillframe::{
    clock::new_uid,
    documents::Storage,
    instance::StartError,
    pb,
    records::{ApiKey, Change, Record},
};
use tempfile::TempDir;

use super::{
    super::support::{TestServer, records_command, records_of},
    invariants::{check, contents},
};

/// The hash of a secret, which nobody may see.
const SECRET: [u8; 32] = [0xab; 32];

/// A data directory with a collection and a snapshot of it.
async fn given_root() -> (TempDir, pb::Collection, pb::Snapshot) {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    let monday = server.given_snapshot("books", "monday").await;
    (server.stop().await, books, monday)
}

/// Runs a command on a data directory, and on a root that is elsewhere.
fn run(command: &[&str], data_dir: &Path, storage: Option<&Path>) -> Output {
    let mut process = records_command(command, data_dir);
    if let Some(storage) = storage {
        process.arg("--storage").arg(storage);
    }
    process.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines of a command that must succeed.
#[track_caller]
fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    stdout(output).lines().map(str::to_owned).collect()
}

/// What a command said that must fail: its lines and its error.
#[track_caller]
fn failed(output: &Output) -> (String, String) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    (stdout(output), String::from_utf8(output.stderr.clone()).unwrap())
}

fn dumped(output: &Output) -> Vec<serde_json::Value> {
    lines(output).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The object of an entry.
fn entry(dir: &TempDir, revision: u64) -> PathBuf {
    dir.path().join(format!("storage/records/{revision:020}"))
}

type StoredKey = <ApiKey as Record>::Message;

#[apply(on_directory!)]
async fn a_dump_shows_everything_but_secrets() {
    let (dir, books, monday) = given_root().await;
    let records = records_of(&dir).await;
    let key = StoredKey {
        id: "operator".to_owned(),
        uid: new_uid().as_bytes().to_vec(),
        secret_sha256: SECRET.to_vec(),
        ..Default::default()
    };
    let key = ApiKey::read(key).unwrap();
    records.commit(Change::default().insert(&key)).await.unwrap();
    let revision = records.revision();
    drop(records);

    // A directory that is not there stays so: only the root is read.
    let nowhere = dir.path().join("nowhere");
    let storage = dir.path().join("storage");
    let all = dumped(&run(&["dump"], &nowhere, Some(&storage)));
    assert!(!nowhere.exists());
    let keys: Vec<_> = all.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert!(keys.is_sorted(), "{keys:?}");
    let find = |kind: &str, id: &str| {
        let mut found = all.iter().filter(|line| line["kind"] == kind && line["record"]["id"] == id);
        found.next().unwrap_or_else(|| panic!("no {kind} {id} in {all:?}"))
    };
    let collection = find("collection", "books");
    assert_eq!(collection["key"], "c/commons/books");
    assert_eq!(collection["record"]["uid"], books.uid);
    assert!(collection["version"].as_u64().unwrap() > 0);
    find("workspace", "commons");
    let snapshot = find("snapshot", "monday");
    assert_eq!(snapshot["record"]["uid"], monday.uid);
    assert_eq!(snapshot["record"]["collection_uid"], books.uid);
    assert_eq!(snapshot["record"]["state"], "SNAPSHOT_STATE_CREATED");
    assert_eq!(find("API key", "operator")["record"]["secret_sha256"], "(not shown)");

    let entries = dumped(&run(&["dump", "--entries"], dir.path(), None));
    let revisions: Vec<_> = entries.iter().map(|line| line["revision"].as_u64().unwrap()).collect();
    assert_eq!(revisions, (1..=revision).collect::<Vec<_>>());
    assert_eq!(entries.last().unwrap()["writes"][0]["record"]["secret_sha256"], "(not shown)");
}

#[apply(on_directory!)]
async fn a_dump_needs_no_rest_and_a_check_does() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let all = dumped(&run(&["dump"], server.dir.path(), None));
    assert!(all.iter().any(|line| line["key"] == "c/commons/books"), "{all:?}");
    for command in ["check", "rebuild"] {
        let (_, error) = failed(&run(&[command], server.dir.path(), None));
        assert!(error.contains("in use by another server"), "{command}: {error}");
    }
    server.given_collection("films").await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_holds_together_is_said_to() {
    let (dir, ..) = given_root().await;
    let told = lines(&run(&["check"], dir.path(), None));
    assert!(told[0].starts_with("log: 0 bases, ") && told[0].ends_with(": whole"), "{told:?}");
    assert!(told[1].starts_with("index: at revision ") && told[1].ends_with(": the same records"), "{told:?}");
    assert_eq!(told[2..], ["collections: 1 directory, all known", "file lists: 1 snapshot, all there"]);
}

/// The index is made of the log: without it nothing is lost. But all of it does not hold.
#[apply(on_directory!)]
async fn an_index_that_is_gone_or_damaged_is_wrong_until_the_next_start() {
    let (dir, ..) = given_root().await;
    let index = dir.path().join("metadata");
    std::fs::remove_dir_all(&index).unwrap();
    let (told, error) = failed(&run(&["check"], dir.path(), None));
    assert!(told.contains("\nindex: it is missing (the next start makes it anew)\n"), "{told}");
    assert!(error.contains("1 thing is wrong"), "{error}");
    assert!(!index.exists());
    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    let dir = server.stop().await;
    assert!(lines(&run(&["check"], dir.path(), None))[1].ends_with(": the same records"));

    std::fs::write(index.join("db"), [7; 1 << 12]).unwrap();
    let (told, error) = failed(&run(&["check"], dir.path(), None));
    assert!(told.contains("(the next start makes it anew)"), "{told}");
    assert!(error.contains("1 thing is wrong"), "{error}");
    let dir = TestServer::reopen(dir).await.stop().await;
    lines(&run(&["check"], dir.path(), None));
}

#[apply(on_directory!)]
async fn a_flipped_bit_is_told_with_the_name_of_its_object() {
    let (dir, ..) = given_root().await;
    let path = entry(&dir, 2);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let name = "records/00000000000000000002";
    let (told, error) = failed(&run(&["check"], dir.path(), None));
    assert!(told.contains(name), "{told}");
    assert!(error.contains("wrong"), "{error}");
    let (_, error) = failed(&run(&["dump"], dir.path(), None));
    assert!(error.contains(name), "{error}");
}

#[apply(on_directory!)]
async fn unknown_directories_and_missing_file_lists_are_told() {
    let (dir, books, monday) = given_root().await;
    let storage = dir.path().join("storage");
    let unknown = format!("collections/{}", new_uid());
    std::fs::create_dir(storage.join(&unknown)).unwrap();
    std::fs::write(storage.join(&unknown).join("notes"), b"precious").unwrap();
    let list = format!("files/{}", monday.uid);
    std::fs::remove_file(storage.join(&list)).unwrap();
    let files = format!("collections/{}", books.uid);
    std::fs::rename(storage.join(&files), storage.join("aside")).unwrap();
    let (told, error) = failed(&run(&["check"], dir.path(), None));
    for object in [&unknown, &list, &files] {
        assert!(told.contains(object), "{object}: {told}");
    }
    assert!(error.contains("3 things are wrong"), "{error}");
    // Told, and left alone.
    assert!(storage.join(&unknown).join("notes").exists());
}

#[apply(on_directory!)]
async fn a_changed_file_list_is_told_and_derived_again_by_who_needs_it() {
    let (dir, _, monday) = given_root().await;
    let list = format!("files/{}", monday.uid);
    let path = dir.path().join("storage").join(&list);
    let written = std::fs::read(&path).unwrap();
    let mut changed = written.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &changed).unwrap();
    let (told, error) = failed(&run(&["check"], dir.path(), None));
    assert!(told.contains(&format!("{list} is not what was written")), "{told}");
    assert!(error.contains("wrong"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), changed, "a check changes nothing");

    let mut server = TestServer::reopen(dir).await;
    server.given_restore("monday", "again").await;
    let dir = server.stop().await;
    assert_eq!(std::fs::read(&path).unwrap(), written);
    let told = lines(&run(&["check"], dir.path(), None));
    assert_eq!(told.last().unwrap(), "file lists: 1 snapshot, all there");
}

#[apply(on_directory!)]
async fn a_root_outlives_its_machine() {
    let (dir, ..) = given_root().await;
    let storage = dir.path().join("storage");
    let new = tempfile::tempdir().unwrap();
    let at_root = |config: &mut stillframe::app::Config| config.storage = Some(Storage::Directory(storage.clone()));

    let refused = TestServer::reopen_with(tempfile::tempdir().unwrap(), at_root).await.err().expect("refused");
    assert!(matches!(refused, StartError::Foreign { .. }), "{refused:?}");
    assert!(refused.to_string().contains("stillframe records rebuild"), "{refused}");

    let told = lines(&run(&["rebuild"], new.path(), Some(&storage)));
    assert!(told[0].starts_with("rebuilt: revision "), "{told:?}");
    let mut server = TestServer::reopen_with(new, at_root).await.unwrap();
    assert_eq!(contents(&mut server, "books").await.len(), 50);
    server.given_restore("monday", "again").await;
    assert_eq!(contents(&mut server, "again").await.len(), 50);
    server.stop().await;
}

#[apply(on_directory!)]
async fn the_data_directory_of_another_instance_is_not_rebuilt() {
    let ((ours, ..), (theirs, ..)) = (given_root().await, given_root().await);
    let marker = std::fs::read(ours.path().join("stillframe.json")).unwrap();
    let (_, error) = failed(&run(&["rebuild"], ours.path(), Some(&theirs.path().join("storage"))));
    assert!(error.contains("belongs to instance"), "{error}");
    assert_eq!(std::fs::read(ours.path().join("stillframe.json")).unwrap(), marker);
    TestServer::reopen(ours).await.stop().await;
}
