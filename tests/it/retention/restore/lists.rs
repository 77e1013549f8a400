//! The list of what a restore copies is derived again as it was: without the files of
//! what had expired when the restore began.

use stillframe::pb::restore::State;

use super::super::{Retained, sweep::bulky};
use crate::support::eventually;

#[apply(on_each_storage!)]
async fn a_lost_list_is_derived_again_with_the_cutoff_of_the_start() {
    let mut given = Retained::start().await;
    let docs = bulky(&given);
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "monday").await;
    given.pass(4);
    let block = given.server.block_copies();
    given.server.request_restore("monday", "again").await.unwrap();
    given.server.running_restore("again").await;
    let files = given.server.dir.path().join("storage/files");
    let own = files.join(given.server.get_restore("again").await.unwrap().uid);
    let written = std::fs::read(&own).unwrap();
    assert!(written.len() < std::fs::read(files.join(&snapshot.uid)).unwrap().len(), "it leaves files out");

    // More has expired since; nothing of that counts.
    given.pass(16);
    std::fs::remove_file(&own).unwrap();
    eventually("the same list is there again", async || std::fs::read(&own).is_ok_and(|derived| derived == written))
        .await;
    block.lift();
    assert_eq!(given.server.ended_restore("again").await.state(), State::Succeeded);
    let restore = given.server.get_restore("again").await.unwrap();
    let receipt = restore.receipt.as_ref().unwrap();
    assert!(receipt.bytes < snapshot.referenced_bytes && receipt.documents_dropped > 0, "{receipt:?}");
    given.stop().await;
}
