//! A snapshot costs the same, however many others its collection has.

use std::time::Duration;

use stillframe::app::Config;

use crate::{
    recovery::invariants::{admin, becomes},
    support::{DEADLINE, TestServer, rounds, upsert},
};

/// Nothing but the test asks storage for anything.
pub fn quiet(config: &mut Config) {
    config.tuning.idle_close = 8 * DEADLINE;
    config.tuning.compaction_poll = 8 * DEADLINE;
    config.tuning.gc_interval = 8 * DEADLINE;
}

/// Snapshots that differ, each of a document more.
pub async fn given_siblings(server: &mut TestServer, ids: std::ops::Range<usize>) {
    for n in ids {
        server.write("books", vec![upsert("same", &format!(r#"{{"n":{n}}}"#))]).await;
        server.given_snapshot("books", &format!("s{n}")).await;
    }
}

/// How many checkpoints the manifest of a collection has that nothing but we would end.
async fn checkpoints(server: &TestServer, uid: &str) -> Option<usize> {
    let found = admin(server, uid).list_checkpoints(None).await.ok()?;
    Some(found.iter().filter(|checkpoint| checkpoint.expire_time.is_none()).count())
}

#[apply(on_each_storage!)]
async fn manifests_do_not_grow_with_snapshots() {
    let mut server = TestServer::start().await;
    let uid = server.given_collection("books").await.uid;
    server.given_documents("books", 100, 1).await;
    given_siblings(&mut server, 0..2).await;
    let count = usize::try_from(rounds(30, 300)).unwrap();
    given_siblings(&mut server, 2..count).await;
    becomes("checkpoints in the manifest", &Some(0), async || checkpoints(&server, &uid).await).await;
    // What a snapshot has of its own depends on its files alone.
    let mut last = 0;
    for n in [1, count - 1] {
        let snapshot = server.get_snapshot(&format!("s{n}")).await.unwrap();
        let files = i64::try_from(server.data_files(&uid).len()).unwrap();
        last = server.own_bytes(&snapshot.uid);
        assert!(last < 4096 + 1024 * files, "s{n}: {last} bytes beside {files} files");
    }
    assert!(last > 0);
    server.stop().await;
}

#[apply(on_s3!)]
async fn a_snapshot_is_as_many_requests_behind_many_as_behind_few() {
    let mut server = TestServer::start_with(quiet).await;
    let uid = server.given_collection("books").await.uid;
    let mut counts = Vec::new();
    let mut next = 0;
    for siblings in [3, 40] {
        given_siblings(&mut server, next..siblings).await;
        becomes("checkpoints in the manifest", &Some(0), async || checkpoints(&server, &uid).await).await;
        server.loopback.as_ref().unwrap().take_requests();
        given_siblings(&mut server, siblings..siblings + 1).await;
        becomes("checkpoints in the manifest", &Some(0), async || checkpoints(&server, &uid).await).await;
        let requests = server.loopback.as_ref().unwrap().take_requests();
        counts.push(requests.values().sum::<u64>());
        // One may find that the number was taken: the checkpoint before it was deleted.
        assert!(requests["PUT manifest"] <= 3, "{requests:?}");
        next = siblings + 1;
    }
    assert!(counts[1] <= counts[0] + 4, "{counts:?}");
    server.stop().await;
}

/// How many manifests a collection has, and their bytes. Some may go meanwhile.
fn manifests(server: &TestServer, uid: &str) -> (usize, i64) {
    let directory = server.files(uid).join("manifest");
    let found: Vec<u64> =
        std::fs::read_dir(directory).unwrap().filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).collect();
    (found.len(), found.iter().sum::<u64>().try_into().unwrap())
}

#[apply(on_directory!)]
async fn manifests_count_and_go_a_while_after_a_collection_is_closed() {
    let mut server = TestServer::start_with(|config| {
        quiet(config);
        // Longer than a first look at a close comes behind the last snapshot.
        config.tuning.number_taken = Duration::from_secs(3);
        config.tuning.idle_close = Duration::from_secs(1);
    })
    .await;
    let uid = server.given_collection("books").await.uid;
    given_siblings(&mut server, 0..20).await;
    // In this order: they may go meanwhile.
    let stored = server.stats("books").await.stored_bytes;
    let (_, bytes) = manifests(&server, &uid);
    assert!(stored > bytes / 2, "{stored} bytes are stored, {bytes} in manifests");
    // So few may stay at a close.
    becomes("few manifests in a closed collection", &true, async || manifests(&server, &uid).0 <= 16).await;
    becomes("the bytes of what is left", &true, async || {
        let stored = server.stats("books").await.stored_bytes;
        let (_, bytes) = manifests(&server, &uid);
        stored < bytes + server.data_bytes(&uid) + 1024
    })
    .await;
    server.stop().await;
}
