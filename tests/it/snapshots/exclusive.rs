//! `exclusive_bytes`: what would be freed if one snapshot alone went.

use stillframe::pb;

use crate::support::{COMMONS, TestServer};

#[apply(on_each_storage!)]
async fn only_get_tells_and_only_while_created() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let watched = server.given_snapshot("books", "s1").await;
    assert_eq!(watched.exclusive_bytes, None);
    let request = pb::ListSnapshotsRequest { parent: COMMONS.to_owned(), ..Default::default() };
    let listed = server.snapshots.list_snapshots(request).await.unwrap().into_inner().snapshots;
    assert_eq!(listed[0].exclusive_bytes, None);
    let own = server.own_bytes(&watched.uid);
    let exclusive = server.get_snapshot("s1").await.unwrap().exclusive_bytes;
    assert_eq!(exclusive, Some(own), "the collection has all others, too");
    server.delete_snapshot("s1").await.unwrap();
    assert_eq!(server.get_snapshot("s1").await.unwrap().exclusive_bytes, None);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn files_are_shared_between_snapshots_of_a_deleted_collection() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let first = server.given_snapshot("books", "s1").await;
    server.given_documents("books", 100, 2).await;
    let second = server.given_snapshot("books", "s2").await;
    server.delete_collection("books").await.unwrap();

    let exclusive = async |server: &mut TestServer, id: &str| server.get_snapshot(id).await.unwrap().exclusive_bytes;
    let shared = second.referenced_bytes - second.new_file_bytes;
    assert_eq!(exclusive(&mut server, "s1").await, Some(first.referenced_bytes - shared));
    assert_eq!(exclusive(&mut server, "s2").await, Some(second.new_file_bytes));
    server.delete_snapshot("s1").await.unwrap();
    assert_eq!(exclusive(&mut server, "s2").await, Some(second.referenced_bytes), "alone now");
    server.stop().await;
}
