//! A restore makes a new collection.

use stillframe::pb::{self, collection, restore::State};
use tonic::Code;

use crate::support::{
    COMMONS, TestServer, collection_name, labels, micros, refused, restore_name, restore_request, snapshot_name,
};

#[apply(on_each_storage!)]
async fn a_restore_says_what_it_was_asked_for() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 10, 1).await;
    let snapshot = server.given_snapshot("books", "monday").await;
    let block = server.block_pins();
    let pending = server.request_restore("monday", "again").await.unwrap();
    assert_eq!((pending.state(), pending.name.clone()), (State::Pending, restore_name("again")));
    assert_eq!((&pending.snapshot, &pending.snapshot_uid), (&snapshot.name, &snapshot.uid));
    assert_eq!(pending.collection, collection_name("again"));
    assert_eq!(pending.collection_uid, server.collection("again").await.unwrap().uid);
    assert_eq!((pending.verification(), pending.created_by.as_str()), (pb::restore::Verification::Full, "anonymous"));
    assert!(pending.start_time.is_none() && pending.end_time.is_none() && pending.receipt.is_none());
    assert_eq!(pending.plan.as_ref().unwrap().documents, 10);
    block.lift();
    server.ended_restore("again").await;
    let ended = server.get_restore("again").await.unwrap();
    assert_eq!((ended.state(), &ended.uid, ended.error), (State::Succeeded, &pending.uid, None));
    let times = [&ended.create_time, &ended.start_time, &ended.end_time].map(|time| micros(time.as_ref()));
    assert!(times.is_sorted(), "{times:?}");
    assert_ne!(ended.etag, pending.etag);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_new_collection_says_where_it_came_from() {
    let mut server = TestServer::start().await;
    let source = server.given_collection("books").await;
    let snapshot = server.given_snapshot("books", "monday").await;
    let mut request = restore_request("monday", "again");
    let asked = request.restore.as_mut().unwrap();
    "Books of Monday".clone_into(&mut asked.description);
    asked.labels = labels([("from", "monday")]);
    server.create_restore(request).await.unwrap();
    server.ended_restore("again").await;
    let made = server.collection("again").await.unwrap();
    assert_eq!((made.state(), made.description.as_str()), (collection::State::Ready, "Books of Monday"));
    assert_eq!(made.labels, labels([("from", "monday")]));
    let info = made.restore_info.unwrap();
    assert_eq!((info.snapshot, info.snapshot_uid), (snapshot.name, snapshot.uid));
    assert_eq!((info.source_collection, info.source_collection_uid), (source.name, source.uid));
    assert_eq!((info.restore, info.snapshot_time), (restore_name("again"), snapshot.snapshot_time));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_existing_collection_is_never_touched() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    server.given_documents("books", 10, 1).await;
    let answer = server.request_restore("monday", "books").await;
    refused(answer, Code::AlreadyExists, "COLLECTION_EXISTS");
    assert_eq!(server.stats("books").await.document_count, 10);
    refused(server.get_restore("books").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_workspace_and_the_snapshot_must_exist() {
    let mut server = TestServer::start().await;
    refused(server.request_restore("nothing", "again").await, Code::NotFound, "NOT_FOUND");
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let restore = pb::Restore {
        snapshot: snapshot_name("monday"),
        collection: "workspaces/nobody/collections/again".to_owned(),
        ..Default::default()
    };
    let request = pb::CreateRestoreRequest {
        parent: "workspaces/nobody".to_owned(),
        restore: Some(restore),
        ..Default::default()
    };
    refused(server.create_restore(request).await, Code::NotFound, "NOT_FOUND");
    let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
    let listed = server.collections.list_collections(request).await.unwrap().into_inner();
    assert_eq!(listed.collections.len(), 1, "nothing was begun");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restore_of_a_restore_is_the_same_again() {
    let mut server = TestServer::start().await;
    server.given_collection("c0").await;
    server.given_documents("c0", 100, 1).await;
    let before = server.scan("c0").await;
    for n in 0..4 {
        server.given_snapshot(&format!("c{n}"), &format!("s{n}")).await;
        server.given_restore(&format!("s{n}"), &format!("c{}", n + 1)).await;
        server.delete_collection(&format!("c{n}")).await.unwrap();
        server.delete_snapshot(&format!("s{n}")).await.unwrap();
    }
    assert_eq!(server.scan("c4").await, before);
    server.stop().await;
}
