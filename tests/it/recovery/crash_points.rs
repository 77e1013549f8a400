//! At every named point a server ends as in a crash, twice where its recovery
//! comes by again; then it must be whole (**D1**, **S1**, **R5**, **W1**).

use std::collections::BTreeMap;

use futures::StreamExt;
use stillframe::{crash::POINTS, pb};
use tempfile::TempDir;
use tonic::Code;

use super::{
    super::support::{TestServer, collection_name, restore_name, snapshot_name, upsert},
    child::{Child, aborts_by_itself},
    crash_source,
    crash_trim::a_trim,
    invariants::{Totals, check, contents, size_of},
};

/// Each is a few processes; all at once would only wait for each other.
const AT_ONCE: usize = 3;
const COUNT: usize = 200;

#[apply(on_directory!)]
async fn every_crash_point_recovers() {
    futures::stream::iter(POINTS.iter().copied().map(visit)).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

async fn visit(point: &'static str) {
    match point {
        "collection.before_record" => a_creation(point).await,
        "retire.before_record" => a_deletion(point).await,
        "snapshot.cut" | "snapshot.before_record" => a_snapshot(point).await,
        "release.before_record" => a_release(point).await,
        "restore.pinned" | "restore.copied" | "restore.verified" | "restore.published" => a_restore(point).await,
        "restore.trimmed" => a_trim(point).await,
        "restore.removed" => a_cancellation(point).await,
        "source.initialised" | "source.landed" | "source.retired" => crash_source::visit(point).await,
        other => panic!("{other} has no test"),
    }
}

/// Documents `0..COUNT` as `given_documents` writes them, some changed since.
fn model(changed: usize) -> BTreeMap<String, String> {
    let json = |n: usize| format!(r#"{{"n":{n},"version":{}}}"#, if n < changed { 2 } else { 1 });
    (0..COUNT).map(|n| (format!("{n:06}"), json(n))).collect()
}

/// A collection, its snapshot `first`, and ten documents changed since.
async fn given_data() -> TempDir {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", COUNT, 1).await;
    server.given_snapshot("books", "first").await;
    server.given_documents("books", 10, 2).await;
    server.stop().await
}

/// Crashes a server at a point that `act` leads to, then once more while it
/// recovers, and opens what is left.
pub async fn crash(point: &str, dir: TempDir, act: impl AsyncFnOnce(&mut TestServer)) -> TestServer {
    let mut child = Child::start_at(dir, point).await;
    act(&mut child.client).await;
    let dir = child.aborted(point).await;
    if point != "collection.before_record" {
        aborts_by_itself(dir.path(), point).await;
    }
    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    server
}

async fn a_creation(point: &str) {
    let mut server = crash(point, given_data().await, async |client| {
        let request = pb::CreateCollectionRequest {
            parent: "workspaces/commons".to_owned(),
            collection_id: "new".to_owned(),
            ..Default::default()
        };
        client.collections.create_collection(request).await.unwrap_err();
    })
    .await;
    assert_eq!(server.collection("new").await.unwrap_err().code(), Code::NotFound);
    server.given_collection("new").await;
    assert_eq!(contents(&mut server, "books").await, model(10));
    check(&mut server).await;
    server.stop().await;
}

async fn a_deletion(point: &str) {
    let mut server = TestServer::start().await;
    let gone = server.given_collection("gone").await;
    server.given_documents("gone", COUNT, 1).await;
    let mut server = crash(point, server.stop().await, async |client| {
        let request = pb::DeleteCollectionRequest { name: collection_name("gone"), ..Default::default() };
        // The crash may come before the answer, but not before the deletion.
        let _ = client.collections.delete_collection(request).await;
    })
    .await;
    assert_eq!(server.collection("gone").await.unwrap_err().code(), Code::NotFound);
    assert!(!server.has_files(&gone.uid));
    assert_ne!(server.given_collection("gone").await.uid, gone.uid);
    server.stop().await;
}

async fn a_snapshot(point: &str) {
    let mut server = crash(point, given_data().await, async |client| {
        // Seventeen documents differ from the first snapshot, ten of which
        // have been changed once more; only the log has the last writes.
        client.given_documents("books", 17, 2).await;
        let _ = client.request_snapshot("books", "second").await;
    })
    .await;
    let second = server.get_snapshot("second").await.unwrap();
    assert_eq!(second.state(), pb::snapshot::State::Created, "{point}: {second:?}");
    let changed: i64 = model(17).iter().take(17).map(|(id, json)| size_of(id, json)).sum();
    assert_eq!(second.incremental_bytes, changed, "{point}");
    server.given_restore("second", "again").await;
    assert_eq!(contents(&mut server, "again").await, model(17), "S1");

    server.write("books", vec![upsert("000100", "{}")]).await;
    let third = server.given_snapshot("books", "third").await;
    assert_eq!(third.incremental_bytes, size_of("000100", "{}"), "{point}: billed once");
    check(&mut server).await;
    server.stop().await;
}

async fn a_release(point: &str) {
    let mut server = crash(point, given_data().await, async |client| {
        let request = pb::DeleteSnapshotRequest { name: snapshot_name("first"), ..Default::default() };
        let _ = client.snapshots.delete_snapshot(request).await;
    })
    .await;
    assert_eq!(server.get_snapshot("first").await.unwrap().state(), pb::snapshot::State::Deleted);
    assert_eq!(contents(&mut server, "books").await, model(10));
    server.given_snapshot("books", "first").await;
    check(&mut server).await;
    server.stop().await;
}

async fn a_restore(point: &str) {
    let mut server = crash(point, given_data().await, async |client| {
        let _ = client.request_restore("first", "again").await;
    })
    .await;
    let restore = server.get_restore("again").await.unwrap();
    assert_eq!(restore.state(), pb::restore::State::Succeeded, "{point}: {restore:?}");
    let first = server.get_snapshot("first").await.unwrap();
    assert_eq!(Totals::kept(&server.stats("again").await), Totals::frozen(&first), "{point}: R1");
    assert_eq!(contents(&mut server, "again").await, model(0));
    assert_eq!(contents(&mut server, "books").await, model(10));

    server.given_documents("again", COUNT, 3).await;
    assert_eq!(contents(&mut server, "books").await, model(10), "{point}: R2");
    server.stop().await;
}

async fn a_cancellation(point: &str) {
    let mut server = crash(point, given_data().await, async |client| {
        // None of the six can end before the last is cancelled, however slow we are.
        let block = client.block_copies();
        for id in ["a", "b", "c", "d", "e", "last"] {
            client.request_restore("first", id).await.unwrap();
        }
        let request = pb::CancelRestoreRequest { name: restore_name("last") };
        // The crash may come before the answer.
        let _ = client.restores.cancel_restore(request).await;
        block.lift();
    })
    .await;
    assert_eq!(server.get_restore("last").await.unwrap().state(), pb::restore::State::Cancelled);
    assert_eq!(server.collection("last").await.unwrap_err().code(), Code::NotFound, "R5");
    for id in ["a", "b", "c", "d", "e"] {
        assert_eq!(server.get_restore(id).await.unwrap().state(), pb::restore::State::Succeeded);
        assert_eq!(contents(&mut server, id).await, model(0));
    }
    server.given_collection("last").await;
    server.stop().await;
}
