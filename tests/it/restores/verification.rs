//! FULL proves the digest, STRUCTURE checks the files.

use stillframe::pb::restore::{State, Verification, receipt::DigestCheck};

use crate::support::{TestServer, refused_fields, restore_request};

#[apply(on_each_storage!)]
async fn structure_is_quick_and_says_that_it_did_not_look() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    let before = server.scan("books").await;
    let snapshot = server.given_snapshot("books", "monday").await;
    let mut request = restore_request("monday", "again");
    request.restore.as_mut().unwrap().verification = Verification::Structure.into();
    server.create_restore(request).await.unwrap();
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);
    let ended = server.get_restore("again").await.unwrap();
    let receipt = ended.receipt.clone().unwrap();
    assert_eq!((ended.verification(), receipt.digest_check()), (Verification::Structure, DigestCheck::NotChecked));
    assert_eq!((receipt.documents_restored, receipt.digest), (100, snapshot.digest));
    assert_eq!(server.scan("again").await, before);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn full_is_the_default() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    for (n, verification) in [Verification::Unspecified, Verification::Full].into_iter().enumerate() {
        let id = format!("r{n}");
        let mut request = restore_request("monday", &id);
        request.restore.as_mut().unwrap().verification = verification.into();
        assert_eq!(server.create_restore(request).await.unwrap().verification(), Verification::Full);
        server.ended_restore(&id).await;
        let receipt = server.get_restore(&id).await.unwrap().receipt.unwrap();
        assert_eq!(receipt.digest_check(), DigestCheck::Verified);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_unknown_verification_is_refused() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_snapshot("books", "monday").await;
    let mut request = restore_request("monday", "again");
    request.restore.as_mut().unwrap().verification = 9;
    refused_fields(server.create_restore(request).await, &["restore.verification"]);
    server.stop().await;
}
