//! Storage that fails for a while: nothing acknowledged is lost, nobody is told
//! that a lost write happened, and the server recovers by itself.

use stillframe::{app::Config, documents::Storage, pb};
use tonic::{Code, Status};

use super::{
    super::{
        full_disk::{Disk, MIB},
        support::{DEADLINE, TestServer, collection_name, eventually, reason, try_write, upsert},
    },
    invariants::{check, check_totals, contents, size_of},
};

#[apply(on_directory!)]
async fn a_log_that_cannot_be_written_fails_writes_until_it_can() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_collection("other").await;
    server.given_documents("books", 100, 1).await;
    let before = contents(&mut server, "books").await;

    let broken = server.block(&format!("collections/{}/wal", books.uid));
    assert_eq!(contents(&mut server, "books").await, before, "reads do not need the log");
    let lost = failed(&mut server).await;
    assert_eq!((lost.code(), reason(&lost).as_str()), (Code::Unknown, "WRITE_OUTCOME_UNKNOWN"));
    // From here on the collection cannot even be opened; others can.
    let refused = failed(&mut server).await;
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "STORAGE_UNAVAILABLE"));
    server.write("other", vec![upsert("a", "{}")]).await;

    broken.lift();
    eventually("writes work again", async || try_write(&mut server, "after").await.is_ok()).await;
    let mut after = contents(&mut server, "books").await;
    after.remove("lost");
    assert_eq!(after.remove("after").as_deref(), Some("{}"));
    assert_eq!(after, before, "D1");
    check(&mut server).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    check(&mut server).await;
    server.stop().await;
}

/// The error of a write. It does not wait for the log, which is mended only later.
async fn failed(server: &mut TestServer) -> Status {
    tokio::time::timeout(DEADLINE, try_write(server, "lost")).await.expect("an answer in time").unwrap_err()
}

#[apply(on_directory!)]
async fn a_snapshot_that_cannot_be_taken_now_is_taken_later() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "first").await;
    server.given_documents("books", 10, 2).await;
    let frozen = contents(&mut server, "books").await;

    let broken = server.block(&format!("collections/{}/compacted", books.uid));
    server.request_snapshot("books", "second").await.unwrap();
    // The log still takes writes, which come too late for the snapshot or not.
    server.write("books", vec![upsert("000000", r#"{"n":0,"version":2}"#)]).await;
    let state = server.get_snapshot("second").await.unwrap().state();
    assert_eq!(state, pb::snapshot::State::Requested);
    broken.lift();

    let second = server.watch_snapshot("second").await.pop().unwrap();
    assert_eq!(second.state(), pb::snapshot::State::Created, "{second:?}");
    let changed: i64 = frozen.iter().take(10).map(|(id, json)| size_of(id, json)).sum();
    assert_eq!(second.incremental_bytes, changed);
    server.given_restore("second", "again").await;
    assert_eq!(contents(&mut server, "again").await, frozen, "S1");
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_disk_without_a_byte_fails_writes_until_there_is_room() {
    let Some((disk, directory)) = Disk::mount(24) else { return };
    let storage = directory.path().join("storage");
    // Nothing is kept free, or it would never come so far.
    let unguarded = |config: &mut Config| {
        config.storage = Some(Storage::Directory(storage));
        config.min_free_bytes = Some(0);
    };
    let mut server = TestServer::start_with(unguarded).await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    disk.leave(MIB);
    let large = format!(r#"{{"large":"{}"}}"#, "x".repeat(100_000));
    let mut acknowledged = contents(&mut server, "books").await;
    for n in 0.. {
        let id = format!("large-{n}");
        let request = pb::WriteDocumentsRequest {
            collection: collection_name("books"),
            writes: vec![upsert(&id, &large)],
            ..Default::default()
        };
        let written = tokio::time::timeout(DEADLINE, server.documents.write_documents(request));
        match written.await.expect("an answer in time") {
            Ok(_) => drop(acknowledged.insert(id, large.clone())),
            Err(error) => {
                assert_eq!(reason(&error), "WRITE_OUTCOME_UNKNOWN");
                break;
            }
        }
    }
    disk.clear();
    eventually("writes work again", async || try_write(&mut server, "after").await.is_ok()).await;
    let after = contents(&mut server, "books").await;
    assert!(acknowledged.iter().all(|(id, json)| after.get(id) == Some(json)), "D1");
    check_totals(&mut server).await;
    server.stop().await;
    drop(disk);
}
