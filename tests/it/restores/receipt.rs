//! The receipt of a restore that has succeeded.

use stillframe::pb::{self, restore::receipt::DigestCheck, restore_progress::Phase};

use crate::support::TestServer;

fn micros(span: Option<prost_types::Duration>) -> i64 {
    let span = span.expect("a duration");
    span.seconds * 1_000_000 + i64::from(span.nanos) / 1000
}

#[apply(on_each_storage!)]
async fn a_receipt_accounts_for_everything() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 300, 1).await;
    let snapshot = server.given_snapshot("books", "monday").await;
    let ended = server.given_restore("monday", "again").await;
    let receipt = ended.receipt.unwrap();
    assert_eq!((receipt.documents_restored, receipt.bytes), (300, server.file_bytes(&snapshot)));
    assert_eq!((receipt.documents_dropped, receipt.bytes_dropped, receipt.cutoff_time), (0, 0, None));
    assert_eq!((&receipt.digest, receipt.digest_check()), (&snapshot.digest, DigestCheck::Verified));
    let made = server.data_files(&ended.collection_uid).len();
    assert!(receipt.files > 0 && made >= usize::try_from(receipt.files).unwrap());
    let [copy, verify, total] = [receipt.copy_duration, receipt.verify_duration, receipt.total_duration].map(micros);
    assert!(copy > 0 && verify > 0 && total >= copy + verify, "{copy} {verify} {total}");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_progress_of_an_ended_restore_is_complete() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 300, 1).await;
    let snapshot = server.given_snapshot("books", "monday").await;
    let ended = server.given_restore("monday", "again").await;
    let progress: pb::RestoreProgress = ended.progress.unwrap();
    assert_eq!((progress.state(), progress.phase()), (pb::restore::State::Succeeded, Phase::Done));
    let bytes = server.file_bytes(&snapshot);
    assert_eq!((progress.bytes_done, progress.bytes_total), (bytes, bytes));
    assert_eq!((progress.documents_done, progress.documents_total, progress.documents_dropped), (300, 300, 0));
    assert_eq!((progress.files_done, progress.error), (progress.files_total, None));
    assert_eq!(micros(progress.elapsed), micros(ended.receipt.unwrap().total_duration));
    assert_eq!(server.get_restore("again").await.unwrap().progress.unwrap().elapsed, progress.elapsed, "it has ended");
    server.stop().await;
}
