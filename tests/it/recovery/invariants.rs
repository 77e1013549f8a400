//! What must hold whenever a server has come to rest, whatever happened before:
//! checked from outside, through the contract and in the directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    path::Path,
    time::Duration,
};

use stillframe::pb::{self, snapshot::State as SnapshotState};
use tokio::time::Instant;

use super::super::support::{DEADLINE, TestServer, collect};
pub use super::super::support::{Totals, admin, size_of};

/// Every workspace.
const ALL: &str = "workspaces/-";
const EVERYTHING: i32 = 1000;

/// Every document of a collection, by its full name.
pub async fn documents(server: &mut TestServer, collection: &str) -> Vec<pb::Document> {
    let request = pb::StreamDocumentsRequest { collection: collection.to_owned(), ..Default::default() };
    let stream = server.documents.stream_documents(request).await.unwrap().into_inner();
    let messages: Vec<pb::StreamDocumentsResponse> = collect(stream).await.unwrap();
    messages.into_iter().flat_map(|message| message.documents).collect()
}

/// The same, as JSON by id.
pub async fn contents(server: &mut TestServer, collection: &str) -> BTreeMap<String, String> {
    server.scan(collection).await.into_iter().collect()
}

pub async fn collections(server: &mut TestServer) -> Vec<pb::Collection> {
    let request = pb::ListCollectionsRequest { parent: ALL.to_owned(), page_size: EVERYTHING, ..Default::default() };
    server.collections.list_collections(request).await.unwrap().into_inner().collections
}

/// Ended ones too.
pub async fn snapshots(server: &mut TestServer) -> Vec<pb::Snapshot> {
    let request = pb::ListSnapshotsRequest {
        parent: ALL.to_owned(),
        page_size: EVERYTHING,
        show_deleted: true,
        ..Default::default()
    };
    server.snapshots.list_snapshots(request).await.unwrap().into_inner().snapshots
}

pub async fn restores(server: &mut TestServer) -> Vec<pb::Restore> {
    let request = pb::ListRestoresRequest { parent: ALL.to_owned(), page_size: EVERYTHING, ..Default::default() };
    server.restores.list_restores(request).await.unwrap().into_inner().restores
}

pub async fn sources(server: &mut TestServer) -> Vec<pb::Source> {
    let parent = format!("{ALL}/collections/-");
    let request = pb::ListSourcesRequest { parent, page_size: EVERYTHING, ..Default::default() };
    server.sources.list_sources(request).await.unwrap().into_inner().sources
}

/// Waits until no snapshot and no restore is under way, and no source has anything
/// left to read: a collection that is written to has no totals to compare.
pub async fn settled(server: &mut TestServer) {
    becomes("under way", &(0, 0, 0), async || {
        let sources = sources(server).await;
        let snapshots = snapshots(server).await;
        let restores = restores(server).await;
        let restoring = |state| {
            use pb::restore::State;
            !matches!(state, State::Succeeded | State::Failed | State::Cancelled)
        };
        let requested = snapshots.iter().filter(|snapshot| snapshot.state() == SnapshotState::Requested).count();
        let reading = |state| {
            use pb::source::State;
            !matches!(state, State::Watching | State::Suspended | State::Error)
        };
        (
            requested,
            restores.iter().filter(|restore| restoring(restore.state())).count(),
            sources.iter().filter(|source| reading(source.state())).count(),
        )
    })
    .await;
}

/// Lets a server come to rest and checks all of it.
pub async fn check(server: &mut TestServer) {
    let collections = check_totals(server).await;
    let mut live = Vec::new();
    for snapshot in snapshots(server).await {
        if snapshot.state() == SnapshotState::Created {
            live.push(snapshot);
        }
    }
    check_directories(server, &collections, &live).await;
    for uid in directories(&server.dir.path().join("storage/collections")) {
        let owners = live.iter().filter(|snapshot| snapshot.collection_uid == uid);
        check_held(server, &uid, &owners.map(|snapshot| snapshot.uid.clone()).collect()).await;
    }
}

/// The part of it that does not look into the directory.
pub async fn check_totals(server: &mut TestServer) -> Vec<pb::Collection> {
    settled(server).await;
    let collections = collections(server).await;
    for listed in &collections {
        check_collection(server, listed).await;
    }
    collections
}

/// **D2**, from List, from Get and from a scan.
async fn check_collection(server: &mut TestServer, listed: &pb::Collection) {
    let name = listed.name.clone();
    assert_eq!(listed.state(), pb::collection::State::Ready, "{name}");
    let request = pb::GetCollectionRequest { name: name.clone() };
    let read = server.collections.get_collection(request).await.unwrap().into_inner();
    let scanned = Totals::scanned(&documents(server, &name).await);
    let [listed, read] = [listed, &read].map(|collection| collection.stats.clone().unwrap());
    assert_eq!(Totals::kept(&read), scanned, "{name}: Get and a scan");
    assert_eq!(Totals::kept(&listed), scanned, "{name}: List and a scan");
    assert_eq!(listed.offset, read.offset, "{name}");
}

/// There is a directory for every collection, and a file list and a manifest for every
/// snapshot, and nothing else.
async fn check_directories(server: &TestServer, collections: &[pb::Collection], live: &[pb::Snapshot]) {
    let storage = server.dir.path().join("storage");
    let bound: BTreeSet<String> = collections.iter().map(|collection| collection.uid.clone()).collect();
    let frozen: BTreeSet<String> = live.iter().map(|snapshot| snapshot.uid.clone()).collect();
    let needed = bound.iter().cloned().chain(live.iter().map(|snapshot| snapshot.collection_uid.clone())).collect();
    becomes("directories of collections", &needed, async || directories(&storage.join("collections"))).await;
    becomes("staging", &BTreeSet::new(), async || directories(&storage.join("staging"))).await;
    becomes("file lists", &frozen, async || stems(&storage.join("files"), "")).await;
    becomes("manifests", &frozen, async || stems(&storage.join("manifests"), "")).await;
}

/// Who holds files of a collection: these, by manifests of their own. Its manifest holds
/// files for compactions, for a minute, and for nobody else.
pub async fn check_held(server: &TestServer, uid: &str, owners: &BTreeSet<String>) {
    becomes(&format!("owners of checkpoints of {uid}"), &Some(BTreeSet::<String>::new()), async || {
        // It may be replaced while it is read.
        let checkpoints = admin(server, uid).list_checkpoints(None).await.ok()?;
        let unbounded = checkpoints.iter().filter(|checkpoint| checkpoint.expire_time.is_none());
        Some(unbounded.map(|checkpoint| checkpoint.name.clone().unwrap_or_default()).collect())
    })
    .await;
    let manifests = stems(&server.dir.path().join("storage/manifests"), "");
    assert!(manifests.is_superset(owners), "{manifests:?} hold what {owners:?} need");
}

/// The directories in a directory.
pub fn directories(path: &Path) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    names.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The files in a directory that end so, without that end.
pub fn stems(path: &Path, extension: &str) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(extension).map(str::to_owned)).collect()
}

/// Waits until something has a value; says what it had instead if it does not.
pub async fn becomes<T: PartialEq + Debug>(what: &str, expected: &T, mut actual: impl AsyncFnMut() -> T) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let now = actual().await;
        if now == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {now:?}, not {expected:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
