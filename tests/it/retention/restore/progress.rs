//! What watchers of a restore hear of the documents that it drops.

use stillframe::pb::{self, restore_progress::Phase};

use super::super::{Retained, visible};
use crate::support::{Doc, restore_name};

/// Documents of one interval, most of which expire: more than are deleted at once.
const COUNT: i64 = 15_000;

#[apply(on_each_storage!)]
async fn progress_counts_what_is_dropped_and_what_is_left() {
    let mut given = Retained::start().await;
    let spread = given.spread();
    given.write(&spread).await;
    let times = [given.ago(20, 40), given.ago(20, 20)];
    let many: Vec<Doc> =
        (0..COUNT).map(|n| Doc::new(format!("x{n:05}"), times[usize::from(n % 6 == 0)], "{}")).collect();
    given.write(&many).await;
    let docs = [spread, many].concat();
    let snapshot = given.server.given_snapshot("c", "monday").await;
    given.pass(11);
    let left = visible(&docs, given.cutoff_after(11)).len();

    let block = given.server.block_copies();
    given.server.request_restore("monday", "again").await.unwrap();
    given.server.running_restore("again").await;
    let request = pb::WatchRestoreRequest { name: restore_name("again") };
    let stream = given.server.restores.watch_restore(request).await.unwrap().into_inner();
    block.lift();
    let values = crate::support::collect(stream).await.unwrap();
    let mut before = 0;
    for value in &values {
        assert_eq!(value.documents_total + value.documents_dropped, snapshot.document_count, "{value:?}");
        assert!(value.documents_dropped >= before && value.documents_done <= value.documents_total, "{value:?}");
        before = value.documents_dropped;
    }
    let (first, last) = (&values[0], values.last().unwrap());
    assert!(first.phase() == Phase::Copying && first.documents_dropped > 0, "whole intervals are known at once");
    let receipt = given.server.get_restore("again").await.unwrap().receipt.unwrap();
    assert_eq!(usize::try_from(receipt.documents_restored).unwrap(), left);
    assert_eq!(receipt.documents_dropped - first.documents_dropped, COUNT / 6 * 5 + 2, "most of the boundary interval");
    assert_eq!((last.documents_dropped, last.documents_total), (receipt.documents_dropped, receipt.documents_restored));
    assert_eq!((last.bytes_done, last.bytes_total), (receipt.bytes, receipt.bytes));
    assert_eq!((last.documents_done, last.phase()), (last.documents_total, Phase::Done));
    given.stop().await;
}
