//! Damage is found before anyone can see the collection (R1), and leaves
//! nothing behind (R5).

use std::path::Path;

use stillframe::{
    documents::CopyMode,
    pb::restore::{State, Verification},
};
use tonic::Code;

use crate::support::{COMMONS, TestServer, has_files, refused, restore_request};

/// A snapshot whose largest file was changed on disk.
async fn given_damaged(damage: impl Fn(&Path)) -> TestServer {
    let mut server = TestServer::start_with(|config| config.copy_mode = CopyMode::Bytes).await;
    let source = server.given_collection("books").await;
    server.given_documents("books", 2000, 1).await;
    server.given_snapshot("books", "monday").await;
    let files = server.data_files(&source.uid);
    damage(files.iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap());
    server
}

async fn restored(server: &mut TestServer, verification: Verification) -> State {
    let mut request = restore_request("monday", "again");
    request.restore.as_mut().unwrap().verification = verification.into();
    server.create_restore(request).await.unwrap();
    server.ended_restore("again").await.state()
}

async fn assert_failed(server: &mut TestServer, verification: Verification) {
    assert_eq!(restored(server, verification).await, State::Failed);
    let ended = server.get_restore("again").await.unwrap();
    let error = ended.error.unwrap();
    assert_eq!((Code::from(error.code), error.details.len()), (Code::DataLoss, 1), "{}", error.message);
    assert!(ended.receipt.is_none() && ended.end_time.is_some());
    refused(server.collection("again").await, Code::NotFound, "NOT_FOUND");
    assert!(!server.has_files(&ended.collection_uid));
    assert!(!has_files(&server.dir.path().join("storage/staging").join(&ended.collection_uid)));
    refused(server.cancel_restore("again").await, Code::FailedPrecondition, "RESTORE_NOT_CANCELLABLE");
    server.create_collection(COMMONS, "again").await.unwrap();
}

fn flip_a_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

#[apply(on_each_storage!)]
async fn full_finds_a_flipped_byte() {
    let mut server = given_damaged(flip_a_byte).await;
    assert_failed(&mut server, Verification::Full).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn structure_finds_a_file_that_is_too_short() {
    let mut server = given_damaged(|path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    })
    .await;
    assert_failed(&mut server, Verification::Structure).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn structure_finds_a_missing_file() {
    let mut server = given_damaged(|path| std::fs::remove_file(path).unwrap()).await;
    assert_failed(&mut server, Verification::Structure).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_link_to_a_missing_file_fails_too() {
    let mut server = TestServer::start().await;
    let source = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    for file in server.data_files(&source.uid) {
        std::fs::remove_file(file).unwrap();
    }
    assert_failed(&mut server, Verification::Full).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_failure_is_the_end_and_another_snapshot_is_not_harmed() {
    let mut server = given_damaged(flip_a_byte).await;
    server.given_collection("films").await;
    server.given_documents("films", 10, 1).await;
    server.given_snapshot("films", "tuesday").await;
    assert_eq!(restored(&mut server, Verification::Full).await, State::Failed);
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.get_restore("again").await.unwrap().state(), State::Failed);
    server.given_restore("tuesday", "films-again").await;
    assert_eq!(server.scan("films-again").await, server.scan("films").await);
    server.stop().await;
}
