//! What a start finds may not have been synced: whoever made it was killed before that.
//! From when somebody can read it, it lasts.

use super::{
    disk::Disk,
    oplog::{Effect, build_shim, environment, operations},
};
use crate::{records::index::files, recovery::child::Child, support::TestServer};

/// The position behind what was there when the recording began.
fn found(log: &[u8]) -> u64 {
    let is_found = |effect: &Effect<'_>| {
        matches!(
            effect,
            Effect::Root(_) | Effect::FoundDirectory { .. } | Effect::FoundFile { .. } | Effect::FoundLink { .. }
        )
    };
    operations(log).take_while(|operation| is_found(&operation.effect)).last().unwrap().end
}

#[apply(on_directory!)]
async fn what_was_found_of_the_record_log_lasts_when_it_is_served() {
    let mut child = Child::start(tempfile::tempdir().unwrap()).await;
    child.client.given_collection("before").await;
    child.client.given_collection("newest").await;
    let data = child.kill().await;
    let newest = files(&data.path().join("storage/records")).pop().unwrap();
    let newest = newest.file_name().unwrap().to_str().unwrap();

    let tools = tempfile::tempdir().unwrap();
    let (shim, log) = (build_shim(tools.path()), tools.path().join("log"));
    let envs = environment(&shim, &log, &data.path().canonicalize().unwrap());
    let mut child = Child::start_in(data, "", &[], &envs).await;
    child.client.collection("newest").await.unwrap();
    let position = std::fs::metadata(&log).unwrap().len();
    child.kill().await;

    let log = std::fs::read(&log).unwrap();
    // Without what this start has done it would be gone.
    let before = tempfile::tempdir().unwrap();
    Disk::at_with_unsynced(&log, found(&log), newest).after_power_loss(before.path());
    assert!(!before.path().join("storage/records").join(newest).exists());
    let left = tempfile::tempdir().unwrap();
    Disk::at_with_unsynced(&log, position, newest).after_power_loss(left.path());
    let mut server = TestServer::reopen(left).await;
    for id in ["before", "newest"] {
        server.collection(id).await.unwrap();
    }
    server.stop().await;
}
