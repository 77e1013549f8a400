//! A disk without a byte left, and nothing that was kept free: what was acknowledged can
//! still be read, and written again once there is room.

use std::{fs::File, io::Write};

use stillframe::{app::Config, documents::Storage};
use tempfile::TempDir;

use super::{Disk, MIB, full};
use crate::{
    recovery::invariants::{check_totals, contents},
    support::{TestServer, delete, eventually, reason, try_write, upsert},
};

/// The storage root alone is on the small disk; nothing is kept free.
fn unguarded(directory: &TempDir) -> impl Fn(&mut Config) + use<> {
    let storage = directory.path().join("storage");
    move |config| {
        config.storage = Some(Storage::Directory(storage.clone()));
        config.min_free_bytes = Some(0);
    }
}

/// Takes the last byte that is left.
fn fill(disk: &Disk) {
    disk.leave(0);
    let mut rest = File::options().append(true).open(disk.ballast()).unwrap();
    while rest.write_all(b"x").is_ok() {}
    assert_eq!(disk.free(), 0);
}

#[apply(on_directory!)]
async fn what_was_acknowledged_is_read_on_a_disk_without_a_byte() {
    let Some((disk, directory)) = Disk::mount(24) else { return };
    let unguarded = unguarded(&directory);
    let mut server = TestServer::start_with(&unguarded).await;
    server.given_collection("books").await;
    server.given_documents("books", 300, 1).await;
    server.given_collection("idle").await;
    server.given_documents("idle", 50, 1).await;
    let (books, idle) = (contents(&mut server, "books").await, contents(&mut server, "idle").await);
    let mut server = TestServer::reopen_with(server.stop().await, &unguarded).await.unwrap();

    fill(&disk);
    assert_eq!(contents(&mut server, "books").await, books, "not opened before");
    full(try_write(&mut server, "refused").await);
    full(server.documents.write_documents(deletion()).await);
    assert!(server.try_get("books", "000007").await.is_ok());
    assert_eq!(server.stats("books").await.document_count, 300);
    assert_eq!(contents(&mut server, "idle").await, idle);

    disk.clear();
    eventually("writes work again", async || try_write(&mut server, "after").await.is_ok()).await;
    let mut after = contents(&mut server, "books").await;
    assert_eq!(after.remove("after").as_deref(), Some("{}"));
    assert_eq!(after, books);
    check_totals(&mut server).await;
    server.stop().await;
    drop(disk);
}

#[apply(on_directory!)]
async fn a_write_that_meets_the_last_byte_leaves_a_collection_that_is_read() {
    let Some((disk, directory)) = Disk::mount(24) else { return };
    let mut server = TestServer::start_with(unguarded(&directory)).await;
    server.given_collection("books").await;
    server.given_documents("books", 300, 1).await;
    let books = contents(&mut server, "books").await;
    for _ in ["full", "full again"] {
        fill(&disk);
        let lost = try_write(&mut server, "lost").await.unwrap_err();
        assert_eq!(reason(&lost), "WRITE_OUTCOME_UNKNOWN", "{lost:?}");
        let mut found = contents(&mut server, "books").await;
        found.remove("lost");
        found.remove("after");
        assert_eq!(found, books);
        full(try_write(&mut server, "refused").await);
        // Too little to be written to again: it is not tried.
        disk.leave(MIB / 4);
        full(try_write(&mut server, "refused").await);
        disk.clear();
        eventually("writes work again", async || try_write(&mut server, "after").await.is_ok()).await;
        server.write("books", vec![delete("lost"), upsert("after", "{}")]).await;
    }
    let mut after = contents(&mut server, "books").await;
    assert_eq!(after.remove("after").as_deref(), Some("{}"));
    assert_eq!(after, books, "D1");
    check_totals(&mut server).await;
    server.stop().await;
    drop(disk);
}

fn deletion() -> stillframe::pb::WriteDocumentsRequest {
    let collection = crate::support::collection_name("books");
    stillframe::pb::WriteDocumentsRequest { collection, writes: vec![delete("000000")], ..Default::default() }
}
