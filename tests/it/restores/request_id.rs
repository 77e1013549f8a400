//! A repeated request has one effect.

use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, DAY, TestServer, id_of, refused, restore_request};

fn request(restore_id: &str, collection: &str) -> pb::CreateRestoreRequest {
    pb::CreateRestoreRequest {
        restore_id: restore_id.to_owned(),
        request_id: "r1".to_owned(),
        ..restore_request("monday", collection)
    }
}

async fn given_snapshot() -> TestServer {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    server
}

#[apply(on_each_storage!)]
async fn the_same_request_returns_the_same_restore() {
    let mut server = given_snapshot().await;
    let first = server.create_restore(request("r", "again")).await.unwrap();
    let again = server.create_restore(request("r", "again")).await.unwrap();
    assert_eq!(again.uid, first.uid);
    server.ended_restore("r").await;
    let ended = server.create_restore(request("r", "again")).await.unwrap();
    assert_eq!((ended.uid.as_str(), ended.state()), (&*first.uid, pb::restore::State::Succeeded));
    for other in [request("r", "other"), request("s", "again")] {
        refused(server.create_restore(other).await, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_repeated_request_without_an_id_returns_the_one_that_was_made() {
    let mut server = given_snapshot().await;
    let first = server.create_restore(request("", "again")).await.unwrap();
    server.ended_restore(&id_of(&first.name)).await;
    server.delete_snapshot("monday").await.unwrap();
    let again = server.create_restore(request("", "again")).await.unwrap();
    assert_eq!((again.name, again.uid), (first.name, first.uid));
    let list = pb::ListRestoresRequest { parent: COMMONS.to_owned(), ..Default::default() };
    assert_eq!(server.restores.list_restores(list).await.unwrap().into_inner().restores.len(), 1);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_request_is_forgotten_after_a_day() {
    let mut server = given_snapshot().await;
    server.create_restore(request("r", "again")).await.unwrap();
    server.ended_restore("r").await;
    server.clock.advance(DAY);
    let again = server.create_restore(request("r", "again")).await;
    refused(again, Code::AlreadyExists, "COLLECTION_EXISTS");
    server.create_restore(request("s", "other")).await.unwrap();
    server.ended_restore("s").await;
    server.stop().await;
}
