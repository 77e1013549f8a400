//! `incremental_bytes`: the net change since the snapshot before.

use crate::support::{TestServer, delete, upsert};
use stillframe::pb;

fn same_size(n: usize, version: usize) -> pb::Write {
    upsert(&format!("{n:06}"), &format!(r#"{{"n":"{n:06}","version":"{version:06}"}}"#))
}

async fn given_same_size(server: &mut TestServer, count: usize, version: usize) {
    server.write("books", (0..count).map(|n| same_size(n, version)).collect()).await;
}

#[apply(on_each_storage!)]
async fn the_first_snapshot_bills_all() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for version in 0..3 {
        given_same_size(&mut server, 100, version).await;
    }
    let first = server.given_snapshot("books", "s1").await;
    assert_eq!(first.incremental_bytes, first.size_bytes);
    assert_eq!(first.new_file_bytes, first.referenced_bytes);
    assert!(first.referenced_bytes > 0);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_unchanged_collection_bills_nothing() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 100, 0).await;
    let first = server.given_snapshot("books", "s1").await;
    let second = server.given_snapshot("books", "s2").await;
    assert_eq!((second.incremental_bytes, second.new_file_bytes), (0, server.own_bytes(&second.uid)));
    assert_eq!((second.referenced_bytes, &second.digest), (first.referenced_bytes, &first.digest));
    assert_eq!((second.offset, second.document_count), (first.offset, first.document_count));
    server.given_restore("s2", "again").await;
    assert_eq!(server.scan("again").await, server.scan("books").await);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn one_percent_changed_bills_one_percent() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 1000, 0).await;
    server.given_snapshot("books", "s1").await;
    given_same_size(&mut server, 10, 1).await;
    let second = server.given_snapshot("books", "s2").await;
    assert_eq!(second.incremental_bytes * 100, second.size_bytes);
    assert!(second.new_file_bytes > 0 && second.new_file_bytes < second.referenced_bytes);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn back_and_forth_is_billed_once() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 20, 0).await;
    server.given_snapshot("books", "s1").await;
    for version in 1..=100 {
        given_same_size(&mut server, 20, version).await;
    }
    let second = server.given_snapshot("books", "s2").await;
    assert_eq!(second.incremental_bytes, second.size_bytes, "all of it changed, and no more than all of it");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn documents_that_come_and_go_never_cost_more_than_what_is_there() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.write("books", vec![upsert("kept", "{}")]).await;
    server.given_snapshot("books", "s1").await;
    for _ in 0..20 {
        server.write("books", vec![same_size(1, 1), delete("000001")]).await;
    }
    let second = server.given_snapshot("books", "s2").await;
    assert_eq!(second.size_bytes, 4 + 8 + 2);
    assert_eq!(second.incremental_bytes, second.size_bytes);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_document_costs_its_id() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 100, 0).await;
    server.given_snapshot("books", "s1").await;
    server.write("books", (0..10).map(|n| delete(&format!("{n:06}"))).collect()).await;
    let second = server.given_snapshot("books", "s2").await;
    assert_eq!((second.document_count, second.incremental_bytes), (90, 10 * 6));
    server.write("books", (10..100).map(|n| delete(&format!("{n:06}"))).collect()).await;
    let third = server.given_snapshot("books", "s3").await;
    assert_eq!((third.size_bytes, third.incremental_bytes), (0, 0), "never more than size_bytes");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_failed_snapshot_leaves_its_bill_to_the_next() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 100, 0).await;
    server.given_snapshot("books", "s1").await;
    given_same_size(&mut server, 10, 1).await;
    let block = server.block_pins();
    server.request_snapshot("books", "never").await.unwrap();
    server.delete_snapshot("never").await.unwrap();
    block.lift();
    given_same_size(&mut server, 20, 2).await;
    let next = server.given_snapshot("books", "s2").await;
    assert_eq!(next.incremental_bytes * 5, next.size_bytes, "20 of 100 documents");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_snapshot_has_still_been_billed() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 100, 0).await;
    server.given_snapshot("books", "s1").await;
    server.delete_snapshot("s1").await.unwrap();
    given_same_size(&mut server, 10, 1).await;
    let next = server.given_snapshot("books", "s2").await;
    assert_eq!(next.incremental_bytes * 10, next.size_bytes, "10 of 100 documents");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_bill_survives_a_restart() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    given_same_size(&mut server, 100, 0).await;
    let first = server.given_snapshot("books", "s1").await;
    let mut server = TestServer::reopen(server.stop().await).await;
    given_same_size(&mut server, 10, 1).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    let second = server.given_snapshot("books", "s2").await;
    assert_eq!(second.incremental_bytes * 10, second.size_bytes, "10 of 100 documents");
    assert_eq!(server.get_snapshot("s1").await.unwrap().incremental_bytes, first.incremental_bytes);
    server.stop().await;
}
