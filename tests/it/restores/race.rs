//! Two restores to one name: one wins (R6).

use stillframe::pb;
use tonic::{Code, Response, Status};

use crate::support::{TestServer, collection_name, reason, restore_request};

type Answer = Result<Response<pb::Restore>, Status>;

fn one_wins(answers: [Answer; 2], why: &str) -> pb::Restore {
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 1));
    let lost = lost.into_iter().next().unwrap().unwrap_err();
    assert_eq!((lost.code(), reason(&lost).as_str()), (Code::AlreadyExists, why));
    won.into_iter().next().unwrap().unwrap().into_inner()
}

#[apply(on_each_storage!)]
async fn of_two_restores_to_one_name_one_wins() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 20, 1).await;
    let digest = server.given_snapshot("books", "monday").await.digest;
    for n in 0..8 {
        let request = |id: &str| pb::CreateRestoreRequest {
            restore_id: format!("{id}{n}"),
            ..restore_request("monday", &format!("c{n}"))
        };
        let (mut one, mut two) = (server.restores.clone(), server.restores.clone());
        let (one, two) = tokio::join!(one.create_restore(request("a")), two.create_restore(request("b")));
        let won = one_wins([one, two], "COLLECTION_EXISTS");
        server.ended_restore(&crate::support::id_of(&won.name)).await;
        let made = server.collection(&format!("c{n}")).await.unwrap();
        assert_eq!((made.uid, made.stats.unwrap().digest), (won.collection_uid, digest.clone()));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn of_two_restores_with_one_id_one_wins() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    for n in 0..8 {
        let request = |collection: &str| {
            let mut request = restore_request("monday", &format!("r{n}"));
            request.restore.as_mut().unwrap().collection = collection_name(&format!("{collection}{n}"));
            request
        };
        let (mut one, mut two) = (server.restores.clone(), server.restores.clone());
        let (one, two) = tokio::join!(one.create_restore(request("a")), two.create_restore(request("b")));
        one_wins([one, two], "RESTORE_EXISTS");
        server.ended_restore(&format!("r{n}")).await;
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_create_and_a_restore_to_one_name_make_one_collection() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    for n in 0..8 {
        let id = format!("c{n}");
        let (mut restores, request) = (server.restores.clone(), restore_request("monday", &id));
        let (restored, created) =
            tokio::join!(restores.create_restore(request), server.create_collection(crate::support::COMMONS, &id));
        let lost = match (&restored, &created) {
            (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
            both => panic!("{both:?}"),
        };
        assert_eq!((lost.code(), reason(lost).as_str()), (Code::AlreadyExists, "COLLECTION_EXISTS"));
        if restored.is_ok() {
            server.ended_restore(&id).await;
        }
        server.write(&id, vec![crate::support::upsert("1", "{}")]).await;
    }
    server.stop().await;
}
