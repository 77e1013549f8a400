//! One call to the disk that fails is no other server, no damage, and nothing that a
//! collection beside it notices.

use rustix::io::Errno;
use stillframe::{
    documents::{ObjectPath, object_store::ObjectStoreExt},
    durable::{Call, faults::fail},
};
use tonic::Status;

use super::{
    super::support::{TestServer, eventually, reason, sealed, try_write, upsert},
    invariants::{check, contents},
};

const CALLS: [Call; 7] =
    [Call::Create, Call::Write, Call::SyncFile, Call::OpenDirectory, Call::SyncDirectory, Call::Link, Call::Rename];
const ERRORS: [Errno; 3] = [Errno::IO, Errno::NOSPC, Errno::MFILE];

async fn given_two() -> (TestServer, String) {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_collection("other").await;
    server.given_documents("books", 20, 1).await;
    (server, books.uid)
}

/// A failed write has no outcome that anybody knows, and nothing else has failed.
fn is_unknown(answer: Result<(), Status>) -> bool {
    let Err(status) = answer else { return false };
    assert_eq!(reason(&status), "WRITE_OUTCOME_UNKNOWN", "{status:?}");
    true
}

#[apply(on_directory!)]
async fn a_call_that_fails_once_ends_nothing_and_loses_nothing() {
    let (mut server, uid) = given_two().await;
    let mut expected = contents(&mut server, "books").await;
    for (call, errno) in CALLS.into_iter().flat_map(|call| ERRORS.map(|errno| (call, errno))) {
        let fault = fail(&server.files(&uid), call, errno, 1);
        let id = format!("{call:?} {errno:?}");
        let unknown = is_unknown(try_write(&mut server, &id).await.map(drop));
        server.write("other", vec![upsert(&id, "{}")]).await;
        eventually("it takes writes", async || try_write(&mut server, "after").await.is_ok()).await;
        drop(fault);
        let found = contents(&mut server, "books").await;
        assert!(unknown || found.contains_key(&id), "D1: {id}");
        if let Some(json) = found.get(&id) {
            expected.insert(id, json.clone());
        }
        expected.insert("after".to_owned(), "{}".to_owned());
        assert_eq!(found, expected, "D1");
    }
    check(&mut server).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(contents(&mut server, "books").await, expected);
    check(&mut server).await;
    server.stop().await;
}

/// It fails for longer than anybody tries: whoever wrote is told that nobody knows, and
/// it goes on when the disk does.
#[apply(on_directory!)]
async fn directories_that_cannot_be_synced_for_a_while_stop_no_server() {
    let (mut server, uid) = given_two().await;
    let before = contents(&mut server, "books").await;
    for folder in ["wal", "manifest"] {
        let fault = fail(&server.files(&uid).join(folder), Call::SyncDirectory, Errno::IO, usize::MAX);
        // The open that comes behind a failed write needs the manifest.
        let failed = try_write(&mut server, folder).await.map(drop);
        let failed = if folder == "manifest" { failed.is_ok() } else { is_unknown(failed) };
        assert!(failed, "{folder}");
        server.write("other", vec![upsert(folder, "{}")]).await;
        drop(fault);
        eventually("it takes writes", async || try_write(&mut server, "after").await.is_ok()).await;
    }
    let mut server = TestServer::reopen(server.stop().await).await;
    let mut after = contents(&mut server, "books").await;
    // Whether the one whose outcome is unknown has come through is its own affair.
    after.remove("wal");
    assert_eq!(after.remove("manifest").as_deref(), Some("{}"), "D1");
    assert_eq!(after.remove("after").as_deref(), Some("{}"), "D1");
    assert_eq!(after, before, "D1");
    check(&mut server).await;
    server.stop().await;
}

/// An attempt of our own that was given up may come through late: that is an entry in
/// the place of ours, and no server has made it.
#[apply(on_each_storage!)]
async fn an_entry_in_its_place_that_nobody_else_has_made_costs_a_reopening() {
    let (mut server, uid) = given_two().await;
    let before = contents(&mut server, "books").await;
    let wal = server.files(&uid).join("wal");
    let numbers = std::fs::read_dir(&wal)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".sst")?.parse::<u64>().ok());
    let next = numbers.max().unwrap() + 1;
    let fence = ObjectPath::from(format!("collections/{uid}/wal/{next:020}.sst"));
    sealed(&server).put(&fence, Vec::new().into()).await.unwrap();
    assert!(is_unknown(try_write(&mut server, "fenced").await.map(drop)));
    server.write("other", vec![upsert("a", "{}")]).await;
    eventually("it takes writes", async || try_write(&mut server, "after").await.is_ok()).await;
    let mut after = contents(&mut server, "books").await;
    after.remove("fenced");
    assert_eq!(after.remove("after").as_deref(), Some("{}"), "D1");
    assert_eq!(after, before, "D1");
    check(&mut server).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    check(&mut server).await;
    server.stop().await;
}

/// A change of the records whose directory cannot be synced waits, and is made once.
#[apply(on_directory!)]
async fn a_record_whose_directory_cannot_be_synced_is_made_when_it_can() {
    let (mut server, _) = given_two().await;
    let records = server.dir.path().join("storage/records");
    for (n, (call, errno)) in CALLS.into_iter().flat_map(|call| ERRORS.map(|errno| (call, errno))).enumerate() {
        let _fault = fail(&records, call, errno, 1);
        server.given_collection(&format!("made-{n}")).await;
    }
    let _fault = fail(&records, Call::SyncDirectory, Errno::IO, 12);
    server.given_collection("made-last").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    server.write("made-last", vec![upsert("a", "{}")]).await;
    check(&mut server).await;
    server.stop().await;
}
