//! Every kind of record has an end (**W3**): counted in the stopped data
//! directory, just before it and just behind it.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use stillframe::{
    clock::Clock,
    documents::{Engine, Known, Root, Store, Tuning},
    pb::{self, restore::State},
    tasks::Tasks,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::{
    sources::{ndjson, quick},
    support::{COMMONS, DAY, DEADLINE, TestServer, collection_name, has_files, records_of, restore_request},
};

type Rows = BTreeMap<&'static str, usize>;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// An hour less: the test itself takes some time.
fn before(time: Duration) -> Duration {
    time.checked_sub(HOUR).unwrap()
}

/// Rows that are always there.
const PERMANENT: [(&str, usize); 1] = [("workspace", 1)];

/// Counts the records while no server has them.
async fn counted(server: TestServer) -> (TestServer, Rows) {
    let clock = server.clock.clone();
    let dir = server.stop().await;
    let rows = records_of(&dir).await.count_kinds().unwrap();
    (TestServer::reopen_at(dir, clock, |_| {}).await.unwrap(), rows)
}

/// Waits until there are exactly these rows besides the permanent ones.
async fn has(mut server: TestServer, when: &str, rows: &[(&'static str, usize)]) -> TestServer {
    let expected: Rows = PERMANENT.iter().chain(rows).copied().filter(|(_, count)| *count > 0).collect();
    let deadline = Instant::now() + DEADLINE;
    // It is to get somewhere before it is stopped again, also on a slow machine.
    let mut pause = Duration::from_millis(300);
    loop {
        let found;
        (server, found) = counted(server).await;
        if found == expected {
            return server;
        }
        assert!(Instant::now() < deadline, "{when}: {found:?}, not {expected:?}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// A request id that no other request has.
fn once(id: &str) -> String {
    format!("once-{id}")
}

async fn snapshot(server: &mut TestServer, id: &str) {
    let request = pb::CreateSnapshotRequest {
        parent: COMMONS.to_owned(),
        snapshot_id: id.to_owned(),
        snapshot: Some(pb::Snapshot { collection: collection_name("books"), ..Default::default() }),
        request_id: once(id),
        ..Default::default()
    };
    server.snapshots.create_snapshot(request).await.unwrap();
    server.watch_snapshot(id).await;
}

async fn restore(server: &mut TestServer, id: &str) {
    let request = pb::CreateRestoreRequest { request_id: once(id), ..restore_request("kept", id) };
    server.create_restore(request).await.unwrap();
}

/// One of everything that can be created, under five request ids and those of
/// snapshots and restores.
async fn given_everything(server: &mut TestServer) {
    let workspace =
        pb::CreateWorkspaceRequest { workspace_id: "team".to_owned(), request_id: once("team"), ..Default::default() };
    server.workspaces.create_workspace(workspace).await.unwrap();
    let collection = pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "books".to_owned(),
        request_id: once("books"),
        ..Default::default()
    };
    server.collections.create_collection(collection).await.unwrap();
    server.import("a.ndjson", ndjson(0, 100, 1));
    let source = pb::CreateSourceRequest {
        parent: collection_name("books"),
        source_id: "in".to_owned(),
        source: Some(pb::Source { location: server.location(""), ..quick(pb::Source::default()) }),
        request_id: once("in"),
    };
    server.sources.create_source(source).await.unwrap();
    server.ingested("books", 1).await;
    for id in ["kept", "deleted"] {
        snapshot(server, id).await;
    }
    server.given_failed_snapshot("books", "failed").await;
    server.delete_snapshot("before-failed").await.unwrap();
    restore(server, "succeeded").await;
    assert_eq!(server.ended_restore("succeeded").await.state(), State::Succeeded);
    let block = server.block_copies();
    restore(server, "cancelled").await;
    server.running_restore("cancelled").await;
    server.cancel_restore("cancelled").await.unwrap();
    block.lift();
    assert_eq!(server.ended_restore("cancelled").await.state(), State::Cancelled);
}

/// A restore whose source has lost a file.
async fn given_failed_restore(server: &mut TestServer) {
    let uid = server.collection("books").await.unwrap().uid;
    for file in server.data_files(&uid) {
        std::fs::rename(&file, file.with_extension("lost")).unwrap();
    }
    restore(server, "failed").await;
    assert_eq!(server.ended_restore("failed").await.state(), State::Failed);
    for file in lost_files(&server.files(&uid).join("compacted")) {
        std::fs::rename(&file, file.with_extension("sst")).unwrap();
    }
}

fn lost_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "lost")).collect()
}

#[apply(on_directory!)]
async fn only_what_is_permanent_is_left_in_the_end() {
    let mut server = TestServer::start().await;
    given_everything(&mut server).await;
    given_failed_restore(&mut server).await;
    server.delete_source("books").await.unwrap();
    server.delete_snapshot("deleted").await.unwrap();
    for id in ["books", "succeeded"] {
        server.delete_collection(id).await.unwrap();
    }
    server.delete_workspace("team").await.unwrap();

    // `kept` keeps files of its deleted collection.
    let snapshots = 4;
    let alive = [("restore", 3), ("snapshot", snapshots), ("retired collection", 1), ("expected state", 1)];
    let rows = [&alive[..], &[("request id", 8)]].concat();
    let mut server = has(server, "all is deleted", &rows).await;

    let mut passed = Duration::ZERO;
    let mut until = |server: &TestServer, time: Duration| {
        server.clock.advance(time.checked_sub(passed).unwrap());
        passed = time;
    };
    until(&server, before(DAY));
    server = has(server, "almost a day", &rows).await;
    until(&server, DAY);
    server = has(server, "a day", &alive).await;
    until(&server, before(7 * DAY));
    server = has(server, "almost a week", &alive).await;
    // `kept` expires and becomes a tombstone; the others are forgotten.
    until(&server, 7 * DAY);
    server = has(server, "a week", &[("restore", 3), ("snapshot", 1)]).await;
    assert!(!has_files(&server.dir.path().join("storage/collections")), "nothing keeps a file any more");
    assert!(server.get_snapshot("kept").await.is_ok() && server.get_snapshot("deleted").await.is_err());
    until(&server, before(14 * DAY));
    server = has(server, "almost two weeks", &[("restore", 3), ("snapshot", 1)]).await;
    until(&server, 14 * DAY + HOUR);
    server = has(server, "two weeks", &[("restore", 3)]).await;
    until(&server, before(30 * DAY));
    server = has(server, "almost 30 days", &[("restore", 3)]).await;
    until(&server, 30 * DAY);
    server = has(server, "30 days", &[]).await;
    assert!(!has_files(&server.dir.path().join("storage/files")));
    server.stop().await;
}

/// The marks of a source's objects in a stopped database, and whether it has one
/// of its own.
async fn marks(dir: &Path, collection: &str, source: &str) -> (usize, bool) {
    let [collection, source] = [collection, source].map(|uid| uid.parse::<Uuid>().unwrap());
    let root = Root::local(&dir.join("storage")).unwrap();
    let background = tokio::runtime::Handle::current();
    let store = Store::new(root, Tasks::default(), Clock::default(), Tuning::default(), background);
    let engine = Engine::open(&store, collection, Arc::default(), &Known::default()).await.unwrap();
    let objects = engine.object_marks(source, None).await.unwrap().len();
    let own = engine.source_mark(source).await.unwrap().is_some();
    engine.close(true).await.unwrap();
    (objects, own)
}

#[apply(on_directory!)]
async fn positions_of_objects_end_with_their_source() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    for n in 0..20 {
        server.import(&format!("{n}.ndjson"), ndjson(n, n + 1, 1));
    }
    let source = server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 20).await;
    let dir = server.stop().await;
    assert_eq!(marks(dir.path(), &books.uid, &source.uid).await, (20, true));

    // An object that is gone takes its own along.
    let mut server = TestServer::reopen(dir).await;
    server.ingested("books", 20).await;
    std::fs::remove_file(server.dir.path().join("import/7.ndjson")).unwrap();
    server.scanned_again("books").await;
    let dir = server.stop().await;
    assert_eq!(marks(dir.path(), &books.uid, &source.uid).await, (19, true));

    let mut server = TestServer::reopen(dir).await;
    server.delete_source("books").await.unwrap();
    let server = has(server, "the source is gone", &[("collection", 1), ("expected state", 1)]).await;
    let dir = server.stop().await;
    assert_eq!(marks(dir.path(), &books.uid, &source.uid).await, (0, false));
}
