//! Cancelling: the name is free and the bytes are gone (R5).

use stillframe::{
    documents::CopyMode,
    pb::{self, restore::State, restore_progress::Phase},
};
use tonic::Code;

use crate::support::{COMMONS, TestServer, eventually, has_files, id_of, refused, restore_request, upsert};

async fn given_snapshot() -> TestServer {
    let mut server = TestServer::start_with(|config| config.copy_mode = CopyMode::Bytes).await;
    server.given_collection("books").await;
    server.given_documents("books", 200, 1).await;
    server.given_snapshot("books", "monday").await;
    server
}

/// The restore has ended, and nothing of it is left.
async fn assert_cancelled(server: &mut TestServer, id: &str) {
    let last = server.ended_restore(id).await;
    assert_eq!((last.state(), last.phase(), last.error), (State::Cancelled, Phase::Done, None));
    let ended = server.get_restore(id).await.unwrap();
    assert!(ended.receipt.is_none() && ended.end_time.is_some());
    refused(server.collection(id).await, Code::NotFound, "NOT_FOUND");
    assert!(!server.has_files(&ended.collection_uid));
    assert!(!has_files(&server.dir.path().join("storage/staging").join(&ended.collection_uid)));
    server.create_collection(COMMONS, id).await.unwrap();
    server.write(id, vec![upsert("1", "{}")]).await;
}

#[apply(on_each_storage!)]
async fn a_pending_restore_is_cancelled() {
    let mut server = given_snapshot().await;
    let block = server.block_pins();
    server.request_restore("monday", "again").await.unwrap();
    assert_eq!(server.get_restore("again").await.unwrap().state(), State::Pending);
    server.cancel_restore("again").await.unwrap();
    block.lift();
    assert_cancelled(&mut server, "again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_running_restore_is_cancelled() {
    let mut server = given_snapshot().await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    server.cancel_restore("again").await.unwrap();
    assert_eq!(server.ended_restore("again").await.state(), State::Cancelled, "though nothing can be copied");
    block.lift();
    assert_cancelled(&mut server, "again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn cancelling_twice_is_as_cancelling_once() {
    let mut server = given_snapshot().await;
    let block = server.block_copies_and_clean_up();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let first = server.cancel_restore("again").await.unwrap();
    let second = server.cancel_restore("again").await.unwrap();
    assert_eq!((second.state(), second.etag), (State::Running, first.etag), "until the bytes are gone");
    block.lift();
    assert_cancelled(&mut server, "again").await;
    refused(server.cancel_restore("again").await, Code::FailedPrecondition, "RESTORE_NOT_CANCELLABLE");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restore_that_has_ended_cannot_be_cancelled() {
    let mut server = given_snapshot().await;
    server.given_restore("monday", "again").await;
    refused(server.cancel_restore("again").await, Code::FailedPrecondition, "RESTORE_NOT_CANCELLABLE");
    assert_eq!(server.stats("again").await.document_count, 200);
    refused(server.cancel_restore("never").await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn many_at_once_either_succeed_or_leave_nothing() {
    let mut server = given_snapshot().await;
    let ids: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
    // So that not all of them have ended before the first is cancelled.
    let block = server.block_pins();
    for id in &ids {
        server.request_restore("monday", id).await.unwrap();
    }
    let (last, others) = ids.split_last().unwrap();
    server.cancel_restore(last).await.unwrap();
    block.lift();
    let mut asked = 1;
    for id in others.iter().rev() {
        asked += usize::from(server.cancel_restore(id).await.is_ok());
    }
    let mut cancelled = 0;
    for id in &ids {
        match server.ended_restore(id).await.state() {
            State::Succeeded => assert_eq!(server.stats(id).await.document_count, 200),
            State::Cancelled => {
                cancelled += 1;
                assert_cancelled(&mut server, id).await;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cancelled, asked, "a cancel that was accepted is kept");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_cancelled_restore_lets_go_of_its_source() {
    let mut server = given_snapshot().await;
    let source = server.collection("books").await.unwrap();
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    server.delete_snapshot("monday").await.unwrap();
    server.delete_collection("books").await.unwrap();
    server.cancel_restore("again").await.unwrap();
    block.lift();
    assert_cancelled(&mut server, "again").await;
    eventually("the source goes", async || !server.has_files(&source.uid)).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_cancel_survives_a_restart() {
    let mut server = given_snapshot().await;
    let block = server.block_copies_and_clean_up();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    server.cancel_restore("again").await.unwrap();
    let dir = server.stop().await;
    block.lift();
    let mut server = TestServer::reopen(dir).await;
    assert_cancelled(&mut server, "again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_snapshot_can_be_restored_again_after_a_cancel() {
    let mut server = given_snapshot().await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.cancel_restore("again").await.unwrap();
    block.lift();
    server.ended_restore("again").await;
    let request = pb::CreateRestoreRequest { restore_id: String::new(), ..restore_request("monday", "again") };
    let second = server.create_restore(request).await.unwrap();
    assert_eq!(server.ended_restore(&id_of(&second.name)).await.state(), State::Succeeded);
    assert_eq!(server.stats("again").await.document_count, 200);
    server.stop().await;
}
