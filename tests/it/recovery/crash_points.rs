//! At every named point a server ends as in a crash, twice where its recovery
//! comes by again; then it must be whole (**D1**, **S1**, **R5**, **W1**).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use futures::StreamExt;
use stillframe::{crash::Point, pb};
use tempfile::TempDir;
use tonic::Code;

use super::{
    super::{
        power_loss::trees::tree,
        support::{TestServer, collection_name, restore_name, snapshot_name, upsert},
    },
    child::{Child, aborts_by_itself},
    crash_accept, crash_source,
    crash_trim::a_trim,
    invariants::{Totals, check, contents, size_of},
};

/// Each is a few processes; all at once would only wait for each other.
const AT_ONCE: usize = 3;
const COUNT: usize = 200;

#[apply(on_directory!)]
async fn every_crash_point_recovers() {
    futures::stream::iter(Point::ALL.iter().copied().map(visit)).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

/// Does what leads to a point, and fails if the server does not end there. Without a
/// wildcard: a point that nobody leads to does not compile.
async fn visit(point: Point) {
    match point {
        Point::CollectionIntended | Point::CollectionBeforeRecord => a_creation(point).await,
        Point::RetireBeforeFiles | Point::RetireBeforeRecord => a_deletion(point).await,
        Point::RetireTrimmed => a_deletion_of_what_is_pinned(point).await,
        Point::SnapshotCut | Point::SnapshotPinned | Point::SnapshotBeforeRecord | Point::SnapshotCreated => {
            a_snapshot(point).await;
        }
        Point::ReleaseUnpinned | Point::ReleaseBeforeRecord => a_release(point).await,
        Point::RestorePinned
        | Point::RestoreStaged
        | Point::RestoreLinked
        | Point::RestoreCommitted
        | Point::RestoreCopied
        | Point::RestoreVerified
        | Point::RestorePublished => a_restore(point).await,
        Point::RestoreTrimmed => a_trim(point).await,
        Point::RestoreRemoved => a_cancellation(point).await,
        Point::AcceptBegun | Point::AcceptMoved | Point::AcceptCounted => crash_accept::visit(point).await,
        Point::SourceInitialised | Point::SourceLanded | Point::SourceRetired => crash_source::visit(point).await,
    }
}

/// Whether what takes up the work after a crash comes to the same point by itself.
fn comes_by_again(point: Point) -> bool {
    // A creation is undone, what is CREATED stays so, and a copy that has a manifest is whole.
    !matches!(
        point,
        Point::CollectionIntended | Point::CollectionBeforeRecord | Point::SnapshotCreated | Point::RestoreCommitted
    )
}

#[test]
fn every_point_is_somewhere_and_known() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut used = BTreeMap::<String, usize>::new();
    for (name, found) in tree(&sources) {
        let Some((contents, _)) = found.filter(|_| Path::new(&name).extension().is_some_and(|end| end == "rs")) else {
            continue;
        };
        let text = String::from_utf8(contents).unwrap();
        for behind in text.split("crate::crash_point!(").skip(1) {
            let (point, _) = behind.split_once(')').unwrap();
            *used.entry(point.to_owned()).or_default() += 1;
        }
    }
    // Once each: a point at two places would be reached at the first only.
    let known: BTreeMap<_, _> = Point::ALL.iter().map(|point| (format!("{point:?}"), 1)).collect();
    assert_eq!(used, known);
    let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(names.len(), Point::ALL.len());
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
pub async fn crash(point: Point, dir: TempDir, act: impl AsyncFnOnce(&mut TestServer)) -> TestServer {
    let mut child = Child::start_at(dir, point.name()).await;
    act(&mut child.client).await;
    let dir = child.aborted(point.name()).await;
    if comes_by_again(point) {
        aborts_by_itself(dir.path(), point.name()).await;
    }
    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    server
}

async fn a_creation(point: Point) {
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

async fn a_deletion(point: Point) {
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

/// The files that a snapshot holds stay, whoever is still to be trimmed.
async fn a_deletion_of_what_is_pinned(point: Point) {
    let mut server = crash(point, given_data().await, async |client| {
        let request = pb::DeleteCollectionRequest { name: collection_name("books"), ..Default::default() };
        let _ = client.collections.delete_collection(request).await;
    })
    .await;
    assert_eq!(server.collection("books").await.unwrap_err().code(), Code::NotFound);
    server.given_restore("first", "again").await;
    assert_eq!(contents(&mut server, "again").await, model(0), "S4");
    check(&mut server).await;
    server.stop().await;
}

async fn a_snapshot(point: Point) {
    let mut server = crash(point, given_data().await, async |client| {
        // Seventeen documents differ from the first snapshot, ten of which
        // have been changed once more; only the log has the last writes.
        client.given_documents("books", 17, 2).await;
        let _ = client.request_snapshot("books", "second").await;
    })
    .await;
    let second = server.get_snapshot("second").await.unwrap();
    assert_eq!(second.state(), pb::snapshot::State::Created, "{point:?}: {second:?}");
    let changed: i64 = model(17).iter().take(17).map(|(id, json)| size_of(id, json)).sum();
    assert_eq!(second.incremental_bytes, changed, "{point:?}");
    server.given_restore("second", "again").await;
    assert_eq!(contents(&mut server, "again").await, model(17), "S1");

    server.write("books", vec![upsert("000100", "{}")]).await;
    let third = server.given_snapshot("books", "third").await;
    assert_eq!(third.incremental_bytes, size_of("000100", "{}"), "{point:?}: billed once");
    check(&mut server).await;
    server.stop().await;
}

async fn a_release(point: Point) {
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

async fn a_restore(point: Point) {
    let mut server = crash(point, given_data().await, async |client| {
        let _ = client.request_restore("first", "again").await;
    })
    .await;
    let restore = server.get_restore("again").await.unwrap();
    assert_eq!(restore.state(), pb::restore::State::Succeeded, "{point:?}: {restore:?}");
    let first = server.get_snapshot("first").await.unwrap();
    assert_eq!(Totals::kept(&server.stats("again").await), Totals::frozen(&first), "{point:?}: R1");
    assert_eq!(contents(&mut server, "again").await, model(0));
    assert_eq!(contents(&mut server, "books").await, model(10));

    server.given_documents("again", COUNT, 3).await;
    assert_eq!(contents(&mut server, "books").await, model(10), "{point:?}: R2");
    server.stop().await;
}

async fn a_cancellation(point: Point) {
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
