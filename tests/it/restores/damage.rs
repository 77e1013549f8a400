//! Damage is found before anyone can see the collection (R1), and leaves
//! nothing behind (R5).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use stillframe::{
    documents::CopyMode,
    pb::{
        self,
        restore::{State, Verification},
    },
};
use tonic::Code;

use crate::support::{COMMONS, TestServer, collection_name, has_files, refused, restore_request, upsert_at};

/// The snapshot `monday` of `books`, and the largest file of it.
async fn given(copy_mode: CopyMode) -> (TestServer, PathBuf) {
    let mut server = TestServer::start_with(|config| config.copy_mode = copy_mode).await;
    let source = server.given_collection("books").await;
    server.given_documents("books", 2000, 1).await;
    server.given_snapshot("books", "monday").await;
    let files = server.data_files(&source.uid);
    let largest = files.into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    (server, largest)
}

/// The name of an object under the root.
fn name(server: &TestServer, file: &Path) -> String {
    file.strip_prefix(server.dir.path().join("storage")).unwrap().to_str().unwrap().to_owned()
}

async fn restored(server: &mut TestServer, verification: Verification) -> State {
    let mut request = restore_request("monday", "again");
    request.restore.as_mut().unwrap().verification = verification.into();
    server.create_restore(request).await.unwrap();
    server.ended_restore("again").await.state()
}

/// A restore fails, leaves nothing behind, and says what of the snapshot is damaged.
async fn assert_failed(server: &mut TestServer, verification: Verification, damaged: &str) {
    assert_eq!(restored(server, verification).await, State::Failed);
    let ended = assert_gone(server).await;
    let said = ended.error.unwrap().message;
    assert!(said.starts_with(&format!("stored data is damaged: {damaged}")), "{damaged}: {said}");
    assert!(said.ends_with("; workspaces/commons/snapshots/monday has it"), "{said}");
    assert!(!said.contains(&ended.collection_uid), "the copy is no more: {said}");
}

/// Nothing is left of the restore but its record.
async fn assert_gone(server: &mut TestServer) -> pb::Restore {
    let ended = server.get_restore("again").await.unwrap();
    let error = ended.error.clone().unwrap();
    assert_eq!((Code::from(error.code), error.details.len()), (Code::DataLoss, 1), "{}", error.message);
    assert!(ended.receipt.is_none() && ended.end_time.is_some());
    refused(server.collection("again").await, Code::NotFound, "NOT_FOUND");
    assert!(!server.has_files(&ended.collection_uid));
    assert!(!has_files(&server.dir.path().join("storage/staging").join(&ended.collection_uid)));
    refused(server.cancel_restore("again").await, Code::FailedPrecondition, "RESTORE_NOT_CANCELLABLE");
    server.create_collection(COMMONS, "again").await.unwrap();
    ended
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

#[apply(on_each_storage!)]
async fn full_finds_a_flipped_byte() {
    let (mut server, file) = given(CopyMode::Bytes).await;
    flip(&file, |length| length / 3);
    let damaged = format!("checksum mismatch in {}", name(&server, &file));
    assert_failed(&mut server, Verification::Full, &damaged).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn so_it_does_where_the_copy_is_a_link() {
    let (mut server, file) = given(CopyMode::Auto).await;
    // They have been read by id, so what they are in is in memory as it was.
    for from in [0, 1000] {
        let ids = (from..from + 1000).map(|n| format!("{n:06}")).collect();
        let request = pb::BatchGetDocumentsRequest { collection: collection_name("books"), ids, ..Default::default() };
        let found = server.documents.batch_get_documents(request).await.unwrap().into_inner();
        assert_eq!(found.documents.len(), 1000);
    }
    flip(&file, |length| length / 3);
    let damaged = format!("checksum mismatch in {}", name(&server, &file));
    assert_failed(&mut server, Verification::Full, &damaged).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_end_of_a_file_says_where_the_rest_is() {
    for from_the_end in [1, 9, 12] {
        let (mut server, file) = given(CopyMode::Bytes).await;
        flip(&file, |length| length - from_the_end);
        if restored(&mut server, Verification::Full).await == State::Failed {
            let said = assert_gone(&mut server).await.error.unwrap().message;
            assert!(said.contains(&name(&server, &file)) && said.ends_with("/snapshots/monday has it"), "{said}");
        }
        server.stop().await;
    }
}

#[apply(on_each_storage!)]
async fn structure_finds_a_file_that_is_too_short() {
    let (mut server, file) = given(CopyMode::Bytes).await;
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let damaged = format!("{} has {} bytes, not {}", name(&server, &file), bytes.len() - 1, bytes.len());
    assert_failed(&mut server, Verification::Structure, &damaged).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn structure_finds_a_missing_file() {
    for copy_mode in [CopyMode::Bytes, CopyMode::Auto] {
        let (mut server, file) = given(copy_mode).await;
        std::fs::remove_file(&file).unwrap();
        let damaged = format!("{} is missing", name(&server, &file));
        assert_failed(&mut server, Verification::Structure, &damaged).await;
        server.stop().await;
    }
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
    let damaged = format!("collections/{}/compacted/", source.uid);
    assert_failed(&mut server, Verification::Full, &damaged).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_manifest_that_is_lost_is_named_too() {
    let (mut server, _) = given(CopyMode::Auto).await;
    let uid = server.get_snapshot("monday").await.unwrap().uid;
    std::fs::remove_file(server.dir.path().join("storage/manifests").join(&uid)).unwrap();
    assert_failed(&mut server, Verification::Full, &format!("manifests/{uid} is missing")).await;
    server.stop().await;
}

/// The copy alone is wrong: a file that an earlier attempt has left, of the right size.
#[apply(on_each_storage!)]
async fn a_copy_that_was_written_wrong_is_no_damage_of_the_snapshot() {
    let (mut server, file) = given(CopyMode::Bytes).await;
    let block = server.block_copies();
    let restore = server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let folder = server.files(&restore.collection_uid).join("compacted");
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join(file.file_name().unwrap());
    std::fs::copy(&file, &copy).unwrap();
    flip(&copy, |length| length / 3);
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Failed);
    let said = assert_gone(&mut server).await.error.unwrap().message;
    let file = name(&server, &file);
    let expected = format!(
        "stored data is damaged: the copy of {file} was not what was copied, and is removed; \
         workspaces/commons/snapshots/monday is whole: restore it again"
    );
    assert_eq!(said, expected);
    server.given_restore("monday", "once-more").await;
    assert_eq!(server.scan("once-more").await, server.scan("books").await);
    server.stop().await;
}

/// With a retention not all of the snapshot is copied, and what it should be is not all of it.
#[apply(on_each_storage!)]
async fn a_wrong_copy_of_what_a_retention_has_left_is_told_from_damage() {
    let mut server = TestServer::start_with(|config| config.copy_mode = CopyMode::Bytes).await;
    let source = server.given_retained("books", Duration::from_hours(32)).await;
    let now = server.clock.now();
    let at = |n: i64| upsert_at(&format!("{n:06}"), now - n * 20 * 60_000_000, "{}");
    server.write("books", (0..90).map(at).collect()).await;
    server.given_snapshot("books", "monday").await;
    server.clock.advance(Duration::from_hours(8));
    let block = server.block_copies();
    let restore = server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let folder = server.files(&restore.collection_uid).join("compacted");
    std::fs::create_dir_all(&folder).unwrap();
    for file in server.data_files(&source.uid) {
        let copy = folder.join(file.file_name().unwrap());
        std::fs::copy(&file, &copy).unwrap();
        flip(&copy, |length| length / 3);
    }
    block.lift();
    assert_eq!(server.ended_restore("again").await.state(), State::Failed);
    let ended = assert_gone(&mut server).await;
    assert!(ended.plan.unwrap().documents_dropped > 0);
    let said = ended.error.unwrap().message;
    assert!(said.contains("snapshots/monday is whole: restore it again"), "{said}");
    server.given_restore("monday", "once-more").await;

    // And damage of the snapshot is that.
    for file in server.data_files(&source.uid) {
        flip(&file, |length| length / 3);
    }
    let request = restore_request("monday", "never");
    server.create_restore(request).await.unwrap();
    assert_eq!(server.ended_restore("never").await.state(), State::Failed);
    let said = server.get_restore("never").await.unwrap().error.unwrap().message;
    assert!(said.contains(&format!("collections/{}/compacted/", source.uid)), "{said}");
    assert!(said.ends_with("/snapshots/monday has it"), "{said}");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_failure_is_the_end_and_another_snapshot_is_not_harmed() {
    let (mut server, file) = given(CopyMode::Bytes).await;
    flip(&file, |length| length / 3);
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
