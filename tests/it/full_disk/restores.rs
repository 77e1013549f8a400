//! Restores that copy bytes need room for all of them.

use stillframe::{documents::CopyMode, pb};

use super::{MIB, RESERVE, clear, fill, full, given_disk, guarded, large};
use crate::{
    recovery::invariants::check,
    support::{TestServer, restore_request},
};

async fn given_snapshot(server: &mut TestServer) -> i64 {
    let writes = (0..60).map(|n| large(&format!("{n:06}"), 50_000));
    server.write("books", writes.collect()).await;
    let monday = server.given_snapshot("books", "monday").await;
    server.file_bytes(&monday)
}

/// Waits until the room for another restore is seen to be short; returns what it needs.
async fn required_for(server: &mut TestServer, id: &str) -> u64 {
    let mut required = 0;
    crate::support::eventually("the room is seen to be short", async || {
        let plan = pb::CreateRestoreRequest { validate_only: true, ..restore_request("monday", id) };
        let planned = server.create_restore(plan).await;
        let short = planned.is_err();
        if short {
            required = full(planned).1;
        }
        short
    })
    .await;
    required
}

#[apply(on_directory!)]
async fn one_that_copies_bytes_is_let_in_only_if_they_fit() {
    let Some((disk, mut server)) = given_disk(|config| config.copy_mode = CopyMode::Bytes).await else { return };
    let bytes = u64::try_from(given_snapshot(&mut server).await).unwrap();
    assert!(bytes > 2 * MIB, "{bytes}");
    disk.leave(RESERVE + MIB);
    assert_eq!(required_for(&mut server, "again").await, RESERVE + bytes);
    full(server.request_restore("monday", "again").await);
    server.write("books", vec![large("small enough", 1000)]).await;
    disk.clear();

    // Links need no room.
    let links = |config: &mut stillframe::app::Config| {
        guarded(config);
        config.copy_mode = CopyMode::Auto;
    };
    let mut server = TestServer::reopen_with(server.stop().await, links).await.unwrap();
    disk.leave(RESERVE + MIB);
    server.given_restore("monday", "again").await;
    assert_eq!(server.stats("again").await.document_count, 60);
    disk.clear();
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn what_others_have_still_to_copy_counts() {
    let Some((disk, mut server)) = given_disk(|config| config.copy_mode = CopyMode::Bytes).await else { return };
    let bytes = u64::try_from(given_snapshot(&mut server).await).unwrap();
    let block = server.block_copies();
    server.request_restore("monday", "first").await.unwrap();
    server.running_restore("first").await;
    // Enough for one of them.
    disk.leave(RESERVE + bytes + bytes / 2);
    assert_eq!(required_for(&mut server, "second").await, RESERVE + 2 * bytes);
    block.lift();
    assert_eq!(server.ended_restore("first").await.state(), pb::restore::State::Succeeded);
    disk.clear();
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn one_that_loses_its_room_copies_nothing_until_there_is_some() {
    let Some((disk, mut server)) = given_disk(|config| config.copy_mode = CopyMode::Bytes).await else { return };
    given_snapshot(&mut server).await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let uid = server.collection("again").await.unwrap().uid;
    fill(&disk, &mut server).await;
    block.lift();
    let staged = server.dir.path().join("storage/staging").join(&uid);
    crate::support::eventually("it gets as far as the bytes", async || staged.exists()).await;
    assert_eq!(server.get_restore("again").await.unwrap().state(), pb::restore::State::Running);
    assert!(server.data_files(&uid).is_empty());
    clear(&disk, &mut server).await;
    assert_eq!(server.ended_restore("again").await.state(), pb::restore::State::Succeeded);
    check(&mut server).await;
    server.stop().await;
}
