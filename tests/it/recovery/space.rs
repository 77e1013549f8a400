//! Files stay as long as something needs them, and no longer (**S2**, **S4**,
//! **S5**).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stillframe::pb;
use tempfile::TempDir;

use super::{
    super::support::{TestServer, collection_name, eventually, snapshot_name},
    invariants::{admin, becomes, check, check_held, contents, stems},
};

const COUNT: usize = 300;
const LONGER_THAN_ANY: Duration = Duration::from_hours(8 * 24);

#[apply(on_directory!)]
async fn a_deleted_collection_gives_its_directory_back() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", COUNT, 1).await;
    server.given_snapshot("books", "monday").await;
    delete_snapshot(&mut server, "monday").await;
    delete_collection(&mut server, "books").await;
    let files = server.files(&books.uid);
    eventually("the directory is gone", async || !files.exists()).await;
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_deleted_collection_keeps_what_its_snapshots_need_and_nothing_else() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_documents("books", COUNT, 1).await;
    server.given_snapshot("books", "monday").await;
    let monday = sst_files(&server, &books.uid);
    let then = contents(&mut server, "books").await;
    for version in 2..5 {
        server.given_documents("books", COUNT, version).await;
        server.given_snapshot("books", "later").await;
        delete_snapshot(&mut server, "later").await;
    }
    delete_collection(&mut server, "books").await;
    // Both at once: the logs go behind the files.
    let wal = server.files(&books.uid).join("wal");
    let left = (monday, BTreeSet::new());
    becomes("files and logs that are left", &left, async || (sst_files(&server, &books.uid), stems(&wal, ".sst")))
        .await;
    check(&mut server).await;

    server.given_restore("monday", "again").await;
    assert_eq!(contents(&mut server, "again").await, then, "S4");
    delete_snapshot(&mut server, "monday").await;
    let files = server.files(&books.uid);
    eventually("the directory is gone", async || !files.exists()).await;
    assert_eq!(contents(&mut server, "again").await, then, "R2");
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn expiry_gives_files_back_while_the_collection_is_used() {
    let (mut server, uid, monday, now) = given_a_snapshot_that_alone_keeps_files().await;
    server.clock.advance(LONGER_THAN_ANY);
    eventually("the snapshot's files are gone", async || sst_files(&server, &uid).is_disjoint(&monday)).await;
    assert_eq!(contents(&mut server, "books").await, now);
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn expiry_gives_files_back_while_the_collection_is_closed() {
    let (server, uid, monday, now) = given_a_snapshot_that_alone_keeps_files().await;
    let dir: TempDir = server.stop().await;
    let mut server = TestServer::reopen(dir).await;
    server.clock.advance(LONGER_THAN_ANY);
    eventually("the snapshot's files are gone", async || sst_files(&server, &uid).is_disjoint(&monday)).await;
    assert_eq!(contents(&mut server, "books").await, now);
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_a_snapshot_keeps_stays_when_another_goes_while_the_collection_is_closed() {
    let (mut server, uid, monday, now) = given_a_snapshot_that_alone_keeps_files().await;
    let another = server.given_snapshot("books", "another").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    // Nobody has opened the collection: what its snapshots name is still to be found out.
    delete_snapshot(&mut server, "another").await;
    let list = server.dir.path().join("storage/files").join(&another.uid);
    eventually("the other is given back", async || !list.exists()).await;
    check(&mut server).await;
    assert!(sst_files(&server, &uid).is_superset(&monday), "S2");
    let then = contents(&mut server, "again").await;
    server.given_restore("monday", "once-more").await;
    assert_eq!(contents(&mut server, "once-more").await, then, "S1");
    assert_eq!(contents(&mut server, "books").await, now);
    server.stop().await;
}

/// Compaction has replaced every file that the snapshot names.
async fn given_a_snapshot_that_alone_keeps_files() -> (TestServer, String, BTreeSet<String>, BTreeMap<String, String>) {
    let mut server = TestServer::start().await;
    let uid = server.given_collection("books").await.uid;
    server.given_documents("books", COUNT, 1).await;
    server.given_snapshot("books", "monday").await;
    let monday = sst_files(&server, &uid);
    let then = contents(&mut server, "books").await;
    for version in 2..8 {
        server.given_documents("books", COUNT, version).await;
        // Each cut is a flush, and so a file that compaction takes up.
        server.given_snapshot("books", "later").await;
        delete_snapshot(&mut server, "later").await;
    }
    eventually("the files are compacted", async || live_files(&server, &uid).await.is_disjoint(&monday)).await;
    expire_compactions(&server, &uid).await;
    let owner = server.get_snapshot("monday").await.unwrap().uid;
    check_held(&server, &uid, &[owner].into()).await;

    assert!(sst_files(&server, &uid).is_superset(&monday), "S2");
    server.given_restore("monday", "again").await;
    assert_eq!(contents(&mut server, "again").await, then, "S1");
    let now = contents(&mut server, "books").await;
    (server, uid, monday, now)
}

/// Compactions hold what they replaced for a minute; tests do not wait.
pub async fn expire_compactions(server: &TestServer, uid: &str) {
    let admin = admin(server, uid);
    eventually("no compaction holds anything", async || {
        // The server writes manifests, too: then this is done again.
        let Ok(mut held) = admin.list_checkpoints(None).await else { return false };
        held.retain(|checkpoint| checkpoint.expire_time.is_some());
        for checkpoint in &held {
            let _ = admin.delete_checkpoint(checkpoint.id).await;
        }
        held.is_empty()
    })
    .await;
}

/// The files that the collection itself is made of.
pub async fn live_files(server: &TestServer, uid: &str) -> BTreeSet<String> {
    let admin = admin(server, uid);
    let mut files = BTreeSet::new();
    // It may be replaced while it is read; no files would be an answer, and a wrong one.
    eventually("the manifest can be read", async || {
        let Ok(Some(manifest)) = admin.read_manifest(None).await else { return false };
        files = manifest.all_sst_views().map(|view| view.sst.id.value().to_string()).collect();
        true
    })
    .await;
    files
}

/// The files that are there.
pub fn sst_files(server: &TestServer, uid: &str) -> BTreeSet<String> {
    stems(&server.files(uid).join("compacted"), ".sst")
}

async fn delete_snapshot(server: &mut TestServer, id: &str) {
    let request = pb::DeleteSnapshotRequest { name: snapshot_name(id), ..Default::default() };
    server.snapshots.delete_snapshot(request).await.unwrap();
}

async fn delete_collection(server: &mut TestServer, id: &str) {
    let request = pb::DeleteCollectionRequest { name: collection_name(id), ..Default::default() };
    server.collections.delete_collection(request).await.unwrap();
}
