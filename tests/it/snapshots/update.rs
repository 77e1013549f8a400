//! What an update of a snapshot touches.

use stillframe::pb::{self, snapshot::State};
use tonic::Code;

use crate::support::{DAY, TestServer, expire_time, labels, refused, refused_fields, snapshot_name, with_ttl};

fn named(snapshot: pb::Snapshot) -> pb::Snapshot {
    pb::Snapshot { name: snapshot_name("s"), ..snapshot }
}

async fn given_full(server: &mut TestServer) -> pb::Snapshot {
    server.given_collection("books").await;
    let full = pb::Snapshot { description: "d".to_owned(), labels: labels([("a", "1")]), ..Default::default() };
    server.create_snapshot("books", "s", full).await.unwrap();
    server.watch_snapshot("s").await.pop().unwrap()
}

#[apply(on_each_storage!)]
async fn without_a_mask_the_fields_that_are_not_empty_change() {
    let mut server = TestServer::start().await;
    let before = given_full(&mut server).await;
    let change = named(pb::Snapshot { description: "new".to_owned(), ..Default::default() });
    let updated = server.update_snapshot(change, None).await.unwrap();
    assert_eq!((updated.description.as_str(), &updated.labels), ("new", &labels([("a", "1")])));
    assert_eq!(expire_time(&updated), expire_time(&before));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_mask_names_what_changes_even_to_nothing() {
    let mut server = TestServer::start().await;
    let before = given_full(&mut server).await;
    let change = named(pb::Snapshot { description: "new".to_owned(), ..with_ttl(DAY) });
    let updated = server.update_snapshot(change.clone(), Some(&["labels"])).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.labels.len()), ("d", 0));
    assert_eq!(expire_time(&updated), expire_time(&before));
    for path in ["ttl", "expire_time"] {
        let updated = server.update_snapshot(change.clone(), Some(&[path])).await.unwrap();
        assert!(expire_time(&updated) < expire_time(&before));
        assert_eq!(updated.description, "d");
    }
    let updated = server.update_snapshot(change, Some(&["*"])).await.unwrap();
    assert_eq!(updated.description, "new");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_path_that_cannot_be_updated_is_refused() {
    let mut server = TestServer::start().await;
    let before = given_full(&mut server).await;
    for path in ["name", "collection", "state", "offset", "nonsense"] {
        let answer = server.update_snapshot(named(pb::Snapshot::default()), Some(&[path])).await;
        refused_fields(answer, &["update_mask"]);
    }
    assert_eq!(server.get_snapshot("s").await.unwrap().etag, before.etag);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_requested_snapshot_keeps_what_is_said_about_it_meanwhile() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let block = server.block_pins();
    server.request_snapshot("books", "s").await.unwrap();
    let change = named(pb::Snapshot { description: "mine".to_owned(), ..with_ttl(DAY) });
    let updated = server.update_snapshot(change, None).await.unwrap();
    block.lift();
    let created = server.watch_snapshot("s").await.pop().unwrap();
    assert_eq!((created.state(), created.description.as_str()), (State::Created, "mine"));
    assert_eq!(expire_time(&created), expire_time(&updated));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_deleted_snapshot_is_not_updated() {
    let mut server = TestServer::start().await;
    given_full(&mut server).await;
    server.delete_snapshot("s").await.unwrap();
    let answer = server.update_snapshot(named(with_ttl(DAY)), None).await;
    refused(answer, Code::FailedPrecondition, "SNAPSHOT_NOT_READY");
    server.stop().await;
}
