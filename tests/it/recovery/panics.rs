//! A panic is an error of what was being done, told as INTERNAL: the server goes on, and does
//! the same again when it is asked to.

use serde_json::Value;
use stillframe::{crash::Point, pb};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{
    super::{
        sources::{documents, ndjson},
        support::{TestServer, collection_name, eventually, reason, snapshot_name, span},
    },
    child::Child,
    invariants::{check, contents},
};

const COUNT: usize = 100;

/// A server that panics at a point when it comes there for the first time.
async fn start(dir: TempDir, point: Point) -> Child {
    let panics = ("STILLFRAME_PANIC_AT".to_owned(), point.name().to_owned());
    Child::start_in(dir, "", &["--log-format", "json"], &[panics]).await
}

async fn given_data() -> TempDir {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", COUNT, 1).await;
    server.stop().await
}

fn lines(dir: &TempDir) -> Vec<Value> {
    let log = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Stops it, and looks whether all is as it should be.
async fn ended(mut child: Child) -> TestServer {
    assert!(child.has_ended().is_none());
    assert!(child.terminated().await.success());
    let dir = child.kill().await;
    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    server
}

fn is_internal(error: Option<&tonic_types::pb::Status>) -> bool {
    error.is_some_and(|error| error.code == Code::Internal as i32)
}

#[apply(on_directory!)]
async fn a_call_that_panics_is_answered() {
    for point in [Point::CollectionIntended, Point::CollectionBeforeRecord] {
        let mut child = start(TempDir::new().unwrap(), point).await;
        let status: Status = child.client.create_collection("workspaces/commons", "c").await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "INTERNAL"), "{point:?}: {status:?}");
        let id = status.get_details_request_info().unwrap().request_id;
        assert!(!status.message().contains("panic"), "a panic is for the log: {status:?}");
        child.client.given_collection("c").await;
        child.client.given_documents("c", COUNT, 1).await;
        let server = ended(child).await;
        let of_call: Vec<_> =
            lines(&server.dir).into_iter().filter(|line| line["span"]["id"] == Value::from(id.as_str())).collect();
        assert!(of_call.iter().any(|line| line.to_string().contains("as asked")), "{point:?}: {of_call:?}");
        let last = of_call.last().unwrap();
        assert_eq!((last["level"].as_str(), last["fields"]["code"].as_str()), (Some("ERROR"), Some("INTERNAL")));
        server.stop().await;
    }
}

#[apply(on_directory!)]
async fn a_snapshot_that_panics_has_failed() {
    for point in [Point::SnapshotCut, Point::SnapshotPinned, Point::SnapshotBeforeRecord, Point::SnapshotCreated] {
        let mut child = start(given_data().await, point).await;
        let client = &mut child.client;
        client.request_snapshot("books", "first").await.unwrap();
        let first = client.watch_snapshot("first").await.pop().unwrap();
        let is_created = point == Point::SnapshotCreated;
        let expected = if is_created { pb::snapshot::State::Created } else { pb::snapshot::State::Failed };
        assert_eq!(first.state(), expected, "{point:?}: {first:?}");
        assert_eq!(is_internal(first.error.as_ref()), !is_created, "{point:?}: {first:?}");
        let second = client.given_snapshot("books", "second").await;
        let billed = if is_created { first.incremental_bytes } else { second.incremental_bytes };
        assert!(billed == second.size_bytes, "{point:?}: once, {first:?}, {second:?}");
        assert_eq!(first.incremental_bytes + second.incremental_bytes, billed, "{point:?}");
        let mut server = ended(child).await;
        server.given_restore("second", "again").await;
        assert_eq!(contents(&mut server, "again").await.len(), COUNT);
        server.stop().await;
    }
}

#[apply(on_directory!)]
async fn what_a_snapshot_had_is_given_back_in_spite_of_a_panic() {
    for point in [Point::ReleaseUnpinned, Point::ReleaseBeforeRecord] {
        let mut child = start(given_data().await, point).await;
        let client = &mut child.client;
        client.given_snapshot("books", "first").await;
        let request = pb::DeleteSnapshotRequest { name: snapshot_name("first"), ..Default::default() };
        client.snapshots.delete_snapshot(request).await.unwrap();
        let (log, dir) = (client.dir.path().join("server.log"), client.dir.path().join("storage/snapshots"));
        eventually("it has panicked", async || std::fs::read_to_string(&log).unwrap().contains("as asked")).await;
        eventually("its files go", async || !super::super::support::has_files(&dir)).await;
        ended(child).await.stop().await;
    }
}

#[apply(on_directory!)]
async fn a_restore_that_panics_ends_and_can_be_done_again() {
    let points = [
        Point::RestorePinned,
        Point::RestoreStaged,
        Point::RestoreLinked,
        Point::RestoreCommitted,
        Point::RestoreCopied,
        Point::RestoreVerified,
        Point::RestorePublished,
    ];
    for point in points {
        let mut child = start(given_data().await, point).await;
        let client = &mut child.client;
        client.given_snapshot("books", "first").await;
        client.request_restore("first", "again").await.unwrap();
        let ended_so = client.watch_restore("again").await.pop().unwrap();
        if point == Point::RestorePublished {
            // All that was to be done is done, so it is announced at the next look.
            assert_eq!(ended_so.state(), pb::restore::State::Succeeded, "{point:?}: {ended_so:?}");
            assert_eq!(contents(client, "again").await.len(), COUNT);
        } else {
            assert_eq!(ended_so.state(), pb::restore::State::Failed, "{point:?}: {ended_so:?}");
            let restore = client.get_restore("again").await.unwrap();
            assert!(is_internal(restore.error.as_ref()), "{point:?}: {restore:?}");
            assert_eq!(client.collection("again").await.unwrap_err().code(), Code::NotFound, "{point:?}");
        }
        client.given_restore("first", "once-more").await;
        let mut server = ended(child).await;
        assert_eq!(contents(&mut server, "once-more").await.len(), COUNT);
        server.stop().await;
    }
}

#[apply(on_directory!)]
async fn a_deletion_goes_on_behind_a_panic() {
    for point in [Point::RetireBeforeFiles, Point::RetireBeforeRecord] {
        let mut child = start(given_data().await, point).await;
        let client = &mut child.client;
        let uid = client.collection("books").await.unwrap().uid;
        let request = pb::DeleteCollectionRequest { name: collection_name("books"), ..Default::default() };
        client.collections.delete_collection(request).await.unwrap();
        eventually("its files go", async || !client.has_files(&uid)).await;
        client.given_collection("books").await;
        ended(child).await.stop().await;
    }
}

#[apply(on_directory!)]
async fn a_source_reads_everything_in_spite_of_a_panic() {
    for point in [Point::SourceInitialised, Point::SourceLanded, Point::SourceRetired] {
        let mut server = TestServer::start().await;
        server.given_collection("books").await;
        server.import("a.ndjson", ndjson(0, COUNT, 1));
        let mut child = start(server.stop().await, point).await;
        let client = &mut child.client;
        let source = pb::Source {
            location: client.location(""),
            scan_interval: Some(span(std::time::Duration::from_secs(1))),
            ..Default::default()
        };
        client.create_source("books", "in", source).await.unwrap();
        client.ingested("books", 1).await;
        if point == Point::SourceRetired {
            client.delete_source("books").await.unwrap();
        }
        let log = client.dir.path().join("server.log");
        eventually("it has panicked", async || std::fs::read_to_string(&log).unwrap().contains("as asked")).await;
        let mut server = ended(child).await;
        assert_eq!(server.scan("books").await, documents(0, COUNT, 1), "{point:?}");
        server.stop().await;
    }
}
