//! What a cut counts is not given back while it is under way; what it does not
//! count, it does not hold.

use std::collections::BTreeSet;

use stillframe::pb;

use super::{
    RETENTION, Retained, counted, interval,
    snapshots::tick,
    sweep::{bulky, dropped},
    visible,
};
use crate::support::{Doc, TestServer, admin, eventually};

/// Whether no more than so many intervals have files.
async fn is_drained(server: &TestServer, uid: &str, left: usize) -> bool {
    let Ok(Some(manifest)) = admin(server, uid).read_manifest(None).await else { return false };
    let with_files =
        manifest.segments().iter().filter(|segment| !segment.l0().is_empty() && segment.prefix()[0] == b'd');
    with_files.count() <= left
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cut_counts_is_not_given_back_before_it_is_durable() {
    let mut given = Retained::start().await;
    let docs: Vec<Doc> = given
        .spread()
        .into_iter()
        .filter(|doc| doc.time > given.ago(30, 0) && doc.time < given.ago(26, 0))
        .chain([tick(given.hour, 0)])
        .collect();
    let other = given.server.given_retained("another", RETENTION).await;
    for collection in ["c", "another"] {
        given.server.write(collection, docs.iter().map(Doc::write).collect()).await;
        given.server.given_snapshot(collection, &format!("flush-{collection}")).await;
    }
    // The cut has its totals, but its files cannot be written yet.
    given.write(&[tick(given.hour, 1)]).await;
    let block = given.server.block(&format!("collections/{}/compacted", given.uid));
    given.server.request_snapshot("c", "cut").await.unwrap();
    for n in 2..50 {
        given.write(&[tick(given.hour, n)]).await;
    }
    given.pass(10);
    for collection in ["c", "another"] {
        eventually("the old intervals are dropped", async || given.server.stats(collection).await.document_count == 1)
            .await;
    }
    eventually("compaction has had its turn", async || is_drained(&given.server, &other.uid, 1).await).await;
    block.lift();
    let cut = given.server.watch_snapshot("cut").await.pop().unwrap();
    assert_eq!(cut.state(), pb::snapshot::State::Created);
    eventually("then they are given back", async || is_drained(&given.server, &given.uid, 1).await).await;

    let mut given = given.reopen_with(|_| {}).await;
    let restored = given.server.given_restore("cut", "again").await;
    assert_eq!(restored.receipt.unwrap().digest, cut.digest);
    let held: Vec<Doc> = docs.iter().filter(|doc| doc.id != "tick").cloned().collect();
    let mut seen = given.server.read_all("again").await;
    assert_eq!(seen.pop().unwrap().id, "tick");
    assert_eq!(seen, visible(&held, 0), "it was cut before the drop");
    given.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_behind_a_drop_does_not_hold_what_was_given_back() {
    let mut given = Retained::start().await;
    let docs = bulky(&given);
    given.write(&docs).await;
    let first = given.server.given_snapshot("c", "first").await;
    given.pass(16);
    let left = counted(&docs, given.cutoff_after(16));
    dropped(&mut given.server, "c", &left, 0).await;
    let intervals = left.iter().map(|doc| interval(doc.time)).collect::<BTreeSet<_>>().len();
    eventually("the files are given back", async || is_drained(&given.server, &given.uid, intervals).await).await;
    let second = given.server.given_snapshot("c", "second").await;
    assert_eq!((second.offset, second.new_file_bytes < first.new_file_bytes / 2), (first.offset, true));
    assert!(second.referenced_bytes < first.referenced_bytes * 3 / 4, "{second:?}");
    given.stop().await;
}
