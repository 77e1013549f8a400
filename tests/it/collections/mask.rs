//! What an update touches.

use stillframe::pb;
use tonic::Code;

use crate::support::{TestServer, collection_name, labels, micros, refused, refused_fields};

async fn given_full(server: &mut TestServer) -> pb::Collection {
    let created = server.given_collection("books").await;
    let full = pb::Collection { description: "d".to_owned(), labels: labels([("a", "1")]), ..created };
    server.update_collection(full, None).await.unwrap()
}

fn named(collection: pb::Collection) -> pb::Collection {
    pb::Collection { name: collection_name("books"), ..collection }
}

#[apply(on_each_storage!)]
async fn without_a_mask_the_fields_that_are_not_empty_change() {
    let mut server = TestServer::start().await;
    let before = given_full(&mut server).await;
    let change = named(pb::Collection { description: "new".to_owned(), ..Default::default() });
    let updated = server.update_collection(change, None).await.unwrap();
    assert_eq!((updated.description.as_str(), &updated.labels), ("new", &labels([("a", "1")])));
    assert!(micros(updated.update_time.as_ref()) > micros(before.update_time.as_ref()));
    assert_eq!((updated.uid, updated.create_time), (before.uid, before.create_time));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_mask_names_what_changes_even_to_nothing() {
    let mut server = TestServer::start().await;
    given_full(&mut server).await;
    let change = named(pb::Collection { description: "new".to_owned(), ..Default::default() });
    let updated = server.update_collection(change, Some(&["labels"])).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.labels.len()), ("d", 0));
    let updated = server.update_collection(named(pb::Collection::default()), Some(&["*"])).await.unwrap();
    assert_eq!((updated.description.as_str(), updated.labels.len()), ("", 0));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_update_survives_a_restart() {
    let mut server = TestServer::start().await;
    let updated = given_full(&mut server).await;
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.collection("books").await.unwrap(), updated);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_path_that_cannot_be_updated_is_refused() {
    let mut server = TestServer::start().await;
    let before = given_full(&mut server).await;
    for path in ["name", "uid", "state", "stats", "nonsense"] {
        let answer = server.update_collection(named(pb::Collection::default()), Some(&["description", path])).await;
        refused_fields(answer, &["update_mask"]);
    }
    assert_eq!(server.collection("books").await.unwrap(), before);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_to_be_updated_must_be_there() {
    let mut server = TestServer::start().await;
    refused(server.update_collection(named(pb::Collection::default()), None).await, Code::NotFound, "NOT_FOUND");
    let nothing = server.collections.update_collection(pb::UpdateCollectionRequest::default()).await;
    refused_fields(nothing, &["collection"]);
    server.stop().await;
}

/// The path is echoed, and an error travels in headers.
#[apply(on_each_storage!)]
async fn a_path_of_any_length_is_refused_in_an_answer_that_a_client_can_read() {
    let mut server = TestServer::start().await;
    given_full(&mut server).await;
    let path = "ä".repeat(100_000);
    let answer = server.update_collection(named(pb::Collection::default()), Some(&[&path])).await;
    let status = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    assert!(status.message().len() <= 512, "{}", status.message().len());
    server.stop().await;
}
