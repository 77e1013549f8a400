//! `stillframe collections accept-loss`: an operator accepts what is left of a damaged
//! collection. What is said is what is served from then on.

use std::{
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use stillframe::{pb, records::Snapshot};
use tempfile::TempDir;
use tonic::Code;

use super::given::{empty, listing, objects, overwrite, remove};
use crate::support::{
    COMMONS, Loopback, Root, TestServer, collection_name, eventually, operator_command, records_of, refused,
    snapshot_name, upsert, upsert_at,
};

type Contents = Vec<(String, String)>;

const COUNT: usize = 200;
const CHANGED: usize = 100;

/// A stopped server with the collections `books` and `films`.
pub struct Given {
    pub dir: TempDir,
    pub books: PathBuf,
    films: PathBuf,
}

/// The snapshot `monday` of `books` has all of version 1; the first documents have been
/// written twice since, at the offsets up to 300 and 400, and that is in two logs.
pub async fn given() -> Given {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    let films = server.given_collection("films").await;
    server.given_documents("books", COUNT, 1).await;
    server.given_documents("films", 20, 1).await;
    server.given_snapshot("books", "monday").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    for version in 2..4 {
        server.given_documents("books", CHANGED, version).await;
    }
    let [books, films] = [books, films].map(|collection| server.files(&collection.uid));
    Given { dir: server.stop().await, books, films }
}

/// What is in `books` when the first documents have this version.
pub fn contents(version: u32) -> Contents {
    let version = |n: usize| if n < CHANGED { version } else { 1 };
    (0..COUNT).map(|n| (format!("{n:06}"), format!(r#"{{"n":{n},"version":{}}}"#, version(n)))).collect()
}

impl Given {
    /// The newest object of a kind of `books`.
    pub fn newest(&self, folder: &str) -> PathBuf {
        objects(&self.books.join(folder)).pop().unwrap()
    }

    /// The name of an object under the root.
    fn name(&self, object: &Path) -> String {
        object.strip_prefix(self.dir.path().join("storage")).unwrap().to_str().unwrap().to_owned()
    }

    /// Where an object is moved to.
    fn aside(&self, object: &Path) -> PathBuf {
        self.books.join("damaged").join(object.strip_prefix(&self.books).unwrap())
    }
}

/// How the command ended, and what it said.
pub struct Told {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    stderr: String,
}

/// Runs the command on `books`, on whatever root the test is.
pub async fn accept_loss(dir: &TempDir, arguments: &[&str], crash_at: &str) -> Told {
    let name = collection_name("books");
    let words = [&["collections", "accept-loss", &name], arguments].concat();
    let mut process = operator_command(&words, dir.path());
    process.env("STILLFRAME_CRASH_AT", crash_at);
    let loopback = match Root::current() {
        Root::Directory => None,
        Root::S3 => Some(Loopback::start(dir.path()).await),
    };
    if let Some(loopback) = &loopback {
        process.args(["--storage", &loopback.storage().to_string()]).envs(loopback.environment("secret").0);
    }
    let Output { status, stdout, stderr } = tokio::task::block_in_place(|| process.output().unwrap());
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Told { code: status.code(), signal: status.signal(), stdout, stderr }
}

impl Told {
    #[track_caller]
    fn assert(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        for said in said {
            assert!(self.stdout.contains(said), "{said}: {}{}", self.stdout, self.stderr);
        }
    }
}

/// Damages an object; is told what is wrong, while nothing is changed; accepts it; then
/// what is left is served, and all goes on.
async fn assert_accepted(given: Given, said: &[&str], left: &str, version: u32) -> TempDir {
    let damaged = listing(&given.books);
    accept_loss(&given.dir, &[], "")
        .await
        .assert(2, &[said, &["it had at least: 200 documents", "at offset 400", left, "nothing was changed"]].concat());
    assert_eq!(listing(&given.books), damaged, "nothing is changed");
    accept_loss(&given.dir, &["--yes"], "")
        .await
        .assert(0, &[said, &["is now 200 documents", "at offset 4,294,967,696"]].concat());
    assert_served(given.dir, version).await
}

/// What was accepted is served, as the rest is, and goes on.
pub async fn assert_served(dir: TempDir, version: u32) -> TempDir {
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.scan("books").await, contents(version));
    let stats = server.stats("books").await;
    assert_eq!(stats.document_count, 200);
    let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
    let listed = server.collections.list_collections(request).await.unwrap().into_inner().collections;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|collection| collection.error.is_none()), "{listed:?}");

    // Not taken for one of before: it may hold the same as monday.
    let after = server.given_snapshot("books", "after").await;
    assert_eq!(after.offset, stats.offset);
    server.given_restore("after", "after-again").await;
    server.given_restore("monday", "monday-again").await;
    assert_eq!(server.scan("after-again").await, contents(version));
    assert_eq!(server.scan("monday-again").await, contents(1));
    assert_eq!(server.scan("films").await.len(), 20);
    assert_eq!(server.write("books", vec![upsert("000000", "{}")]).await.offset, stats.offset + 1);

    let mut server = TestServer::reopen(server.stop().await).await;
    let written = server.scan("books").await;
    assert_eq!((written[0].1.as_str(), &written[1..]), ("{}", &contents(version)[1..]));
    let dir = server.stop().await;
    accept_loss(&dir, &["--yes"], "").await.assert(0, &["is whole: 200 documents"]);
    dir
}

#[apply(on_each_storage!)]
async fn the_last_log_is_gone() {
    for damage in [empty as fn(&Path), remove] {
        let given = given().await;
        let last = given.newest("wal");
        damage(&last);
        let name = given.name(&last);
        assert_accepted(given, &[&name, "missing: writes 301 to 400"], "at offset 300", 2).await;
    }
}

#[apply(on_each_storage!)]
async fn what_is_behind_a_hole_is_moved_aside() {
    let given = given().await;
    let mut logs = objects(&given.books.join("wal"));
    let (last, hole) = (logs.pop().unwrap(), logs.pop().unwrap());
    let whole = std::fs::read(&last).unwrap();
    remove(&hole);
    let (aside, name) = (given.aside(&last), given.name(&hole));
    let said = [name.as_str(), "1 log behind the first that is missing or damaged", "they wrote 000000, 000001"];
    let dir = assert_accepted(given, &said, "at offset 200", 1).await;
    assert_eq!(std::fs::read(aside).unwrap(), whole);
    drop(dir);
}

#[apply(on_each_storage!)]
async fn a_log_is_anothers() {
    let given = given().await;
    let (last, theirs) = (given.newest("wal"), objects(&given.films.join("wal")).pop().unwrap());
    overwrite(&last, &theirs);
    let (aside, name) = (given.aside(&last), given.name(&last));
    let dir = assert_accepted(given, &[&name, "is another object's"], "at offset 300", 2).await;
    assert_eq!(std::fs::read(aside).unwrap(), std::fs::read(theirs).unwrap());
    drop(dir);
}

/// The one before it says the same but for who has opened it last.
#[apply(on_each_storage!)]
async fn the_newest_manifest_is_zeroed() {
    let given = given().await;
    let newest = given.newest("manifest");
    let zeros = vec![0; std::fs::read(&newest).unwrap().len()];
    std::fs::write(&newest, &zeros).unwrap();
    let (aside, name) = (given.aside(&newest), given.name(&newest));
    let dir = assert_accepted(given, &[&name], "at offset 400", 3).await;
    assert_eq!(std::fs::read(aside).unwrap(), zeros);
    assert!(!newest.exists(), "its number is not given again");
    drop(dir);
}

/// A snapshot has a manifest of its own; and no other comes in the place of the one that it
/// was cut at.
#[apply(on_directory!)]
async fn a_snapshot_does_not_depend_on_the_manifests_of_its_collection() {
    let given = given().await;
    let records = records_of(&given.dir).await;
    let monday = records.scan(&Snapshot::named(&snapshot_name("monday").parse().unwrap())).next().unwrap().unwrap();
    drop(records);
    let cut_at = given.books.join(format!("manifest/{:020}.manifest", monday.contents().unwrap().manifest.id));
    for manifest in objects(&given.books.join("manifest")) {
        if manifest >= cut_at {
            empty(&manifest);
        }
    }
    let name = given.name(&cut_at);
    accept_loss(&given.dir, &["--yes"], "").await.assert(0, &[&name, "at offset 4,294,967,696"]);

    let mut server = TestServer::reopen(given.dir).await;
    let left = server.scan("books").await;
    assert_eq!(server.stats("books").await.document_count, i64::try_from(left.len()).unwrap());
    for version in 4..9 {
        server.given_documents("books", COUNT, version).await;
        server.given_snapshot("books", &format!("later-{version}")).await;
    }
    server.given_restore("monday", "monday-again").await;
    assert_eq!(server.scan("monday-again").await, contents(1));
    server.given_restore("later-8", "later-again").await;
    assert!(!cut_at.exists());
    server.stop().await;
}

/// What each interval holds is counted anew as well, for it is taken off when that is
/// dropped.
#[apply(on_directory!)]
async fn what_a_retention_keeps_is_counted_by_intervals() {
    let mut server = TestServer::start().await;
    let books = server.given_retained("books", Duration::from_hours(1)).await;
    let now = server.clock.now();
    let at = |n: i64| upsert_at(&format!("{n:06}"), now - n * 20_000_000, "{}");
    server.write("books", (0..100).map(at).collect()).await;
    server.write("books", (100..150).map(at).collect()).await;
    let files = server.files(&books.uid);
    let dir = server.stop().await;
    remove(&objects(&files.join("wal")).pop().unwrap());
    accept_loss(&dir, &["--yes"], "").await.assert(0, &["is damaged", "at offset 4,294,967,446"]);

    let mut server = TestServer::reopen(dir).await;
    // The sweeper may have moved the last batch from its log to a file.
    let left = server.scan("books").await.len();
    assert!(left == 100 || left == 150, "{left}");
    assert_eq!(server.stats("books").await.document_count, i64::try_from(left).unwrap());
    server.clock.advance(Duration::from_mins(90));
    eventually("all are dropped", async || server.stats("books").await.document_count == 0).await;
    assert_eq!(server.stats("books").await.size_bytes, 0);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_whole_stays_as_it_is() {
    let given = given().await;
    let before = listing(&given.books);
    for arguments in [&[][..], &["--yes"]] {
        accept_loss(&given.dir, arguments, "").await.assert(0, &["is whole: 200 documents", "at offset 400"]);
    }
    assert_eq!(listing(&given.books), before);
}

#[apply(on_each_storage!)]
async fn files_with_documents_cannot_be_done_without() {
    let given = given().await;
    let file = given.newest("compacted");
    let whole = std::fs::read(&file).unwrap();
    let cut = |file: &Path| std::fs::write(file, &std::fs::read(file).unwrap()[..100]).unwrap();
    for damage in [remove as fn(&Path), empty, cut] {
        damage(&file);
        let damaged = listing(&given.books);
        for arguments in [&[][..], &["--yes"]] {
            let told = accept_loss(&given.dir, arguments, "").await;
            told.assert(3, &[&given.name(&file), "Restore a snapshot of it, or delete the collection"]);
        }
        assert_eq!(listing(&given.books), damaged, "nothing is changed");
        std::fs::write(&file, &whole).unwrap();
    }
    accept_loss(&given.dir, &[], "").await.assert(0, &["is whole"]);
}

#[apply(on_directory!)]
async fn it_is_not_done_beside_a_server_nor_to_what_is_not_there() {
    let mut server = TestServer::start().await;
    let told = accept_loss(&server.dir, &["--yes"], "").await;
    told.assert(1, &[]);
    assert!(told.stderr.contains("in use by another server"), "{}", told.stderr);
    server.given_collection("films").await;
    let dir = server.stop().await;
    let told = accept_loss(&dir, &["--yes"], "").await;
    told.assert(1, &[]);
    assert!(told.stderr.contains("workspaces/commons/collections/books does not exist"), "{}", told.stderr);
    let nowhere = tempfile::tempdir().unwrap();
    let told = accept_loss(&nowhere, &[], "").await;
    told.assert(1, &[]);
    assert_eq!(objects(nowhere.path()), Vec::<PathBuf>::new(), "nothing is made");
}

/// A server that is started in between serves nothing of it.
pub async fn assert_refused(dir: TempDir) -> TempDir {
    let mut server = TestServer::reopen(dir).await;
    let status = refused(server.try_get("books", "000000").await, Code::DataLoss, "DATA_LOSS");
    assert!(status.message().contains("accept-loss was begun; run it again"), "{status:?}");
    let shown = server.collection("books").await.unwrap();
    assert!(shown.error.is_some() && shown.stats.is_none(), "{shown:?}");
    assert_eq!(server.scan("films").await.len(), 20);
    server.stop().await
}
