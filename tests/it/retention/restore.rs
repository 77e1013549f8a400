//! A restore never brings back what is older than the retention (**R4**), and
//! what it brings is exact.

mod chain;
mod lists;
mod plan;
mod progress;
mod waits;

use stillframe::pb::{
    self,
    restore::{Verification, receipt::DigestCheck},
};
use tonic::Code;

use super::{HOUR, RETENTION, Retained, interval, sweep::bulky, totals, visible};
use crate::support::{Doc, Root, TestServer, Totals, is_whole, micros, refused, restore_request, span};

/// Restores a snapshot into a collection of that name, and waits.
async fn restored(server: &mut TestServer, snapshot: &str, to: &str, verification: Verification) -> pb::Restore {
    let mut request = restore_request(snapshot, to);
    request.restore.as_mut().unwrap().verification = verification.into();
    server.create_restore(request).await.unwrap();
    assert_eq!(server.ended_restore(to).await.state(), pb::restore::State::Succeeded);
    server.get_restore(to).await.unwrap()
}

fn count(docs: usize) -> i64 {
    i64::try_from(docs).unwrap()
}

fn size(docs: &[Doc]) -> i64 {
    docs.iter().map(Doc::size).sum()
}

/// Checks all that a restore says of what it did so many hours behind the start,
/// and what it left.
async fn check(given: &mut Retained, snapshot: &pb::Snapshot, docs: &[Doc], restore: &pb::Restore, passed: i64) {
    let receipt = restore.receipt.clone().unwrap();
    let left = visible(docs, given.cutoff_after(passed));
    assert_eq!(receipt.documents_restored, count(left.len()));
    assert_eq!(receipt.documents_dropped, count(docs.len() - left.len()));
    assert_eq!(receipt.bytes_dropped, size(docs) - size(&left));
    assert_eq!(receipt.digest, totals(&left).digest);
    let exact = micros(receipt.cutoff_time.as_ref());
    assert!(visible(docs, exact) == left, "{exact}");
    assert_eq!(exact, micros(restore.start_time.as_ref()) - 32 * HOUR, "the time of the start less the retention");

    let plan = restore.plan.clone().unwrap();
    assert_eq!((plan.documents, plan.documents_dropped), (receipt.documents_restored, receipt.documents_dropped));
    assert_eq!((plan.bytes, plan.files, plan.bytes_dropped), (receipt.bytes, receipt.files, receipt.bytes_dropped));
    assert_eq!((plan.cutoff_time, plan.documents_undecided), (receipt.cutoff_time, 0));
    assert_eq!(restore.retention, Some(span(RETENTION)));

    let id = crate::support::id_of(&restore.collection);
    let made = given.server.collection(&id).await.unwrap();
    assert_eq!((made.retention, made.clustering_interval), (Some(span(RETENTION)), Some(span(RETENTION / 32))));
    let stats = made.stats.unwrap();
    assert_eq!((stats.offset, stats.expired_document_count), (snapshot.offset, 0));
    assert_eq!(Totals::kept(&stats), totals(&left), "D2");
    let times = || left.iter().map(|doc| doc.time);
    assert_eq!(stats.oldest_event_time.is_some(), !left.is_empty());
    if let Some(oldest) = times().min() {
        assert!((exact..=oldest).contains(&micros(stats.oldest_event_time.as_ref())));
        assert!(micros(stats.newest_event_time.as_ref()) >= times().max().unwrap());
    }
    assert_eq!(given.server.read_all(&id).await, left);
    assert_eq!(Totals::kept(&given.server.stats(&id).await), totals(&left), "opened, it is the same");
}

#[apply(on_each_storage!)]
async fn a_restore_drops_what_has_expired_and_nothing_else() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "monday").await;
    // What it looks for is the same on both; on S3 each step takes ten times as long.
    let is_short = Root::current() == Root::S3 && !is_whole();
    let hours: &[i64] = if is_short { &[0, 2, 32] } else { &[0, 1, 2, 17, 31, 32, 40] };
    for passed in hours.iter().copied() {
        given.pass(passed);
        for (kind, check_of) in
            [(Verification::Full, DigestCheck::Verified), (Verification::Structure, DigestCheck::NotChecked)]
        {
            let id = format!("{}{passed}", kind.as_str_name());
            let restore = restored(&mut given.server, "monday", &id, kind).await;
            assert_eq!(restore.receipt.as_ref().unwrap().digest_check(), check_of);
            check(&mut given, &snapshot, &docs, &restore, passed).await;
        }
    }
    assert_eq!(given.server.get_snapshot("monday").await.unwrap().digest, snapshot.digest);
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn files_of_expired_intervals_are_not_copied() {
    let mut given = Retained::start().await;
    let docs = bulky(&given);
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "monday").await;
    let mut before = (snapshot.referenced_bytes + 1, i64::MAX);
    for passed in [0, 4, 16, 31, 40] {
        given.pass(passed);
        let id = format!("r{passed}");
        let restore = restored(&mut given.server, "monday", &id, Verification::Full).await;
        // Before it is opened by a read: then it may merge files, and has both for a while.
        let there = given.server.data_bytes(&restore.collection_uid);
        check(&mut given, &snapshot, &docs, &restore, passed).await;
        let receipt = restore.receipt.unwrap();
        assert!(receipt.bytes < before.0 && receipt.files < before.1, "{receipt:?} behind {before:?}");
        before = (receipt.bytes, receipt.files);
        let whole: Vec<Doc> =
            docs.iter().filter(|doc| interval(doc.time) >= interval(given.cutoff_after(passed))).cloned().collect();
        let allowed = snapshot.referenced_bytes * size(&whole) / size(&docs) + 4096;
        assert!(receipt.bytes <= allowed, "{} of at most {allowed}", receipt.bytes);
        assert!(there <= allowed + 8192, "nor are they there");
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn what_had_expired_but_still_counted_is_dropped_too() {
    let mut given = Retained::start_with(|config| config.sweep_every = std::time::Duration::from_hours(1)).await;
    let docs = given.spread();
    given.write(&docs).await;
    given.pass(10);
    let snapshot = given.server.given_snapshot("c", "monday").await;
    assert_eq!(Totals::frozen(&snapshot), totals(&docs), "nothing has been swept");
    let restore = restored(&mut given.server, "monday", "again", Verification::Full).await;
    check(&mut given, &snapshot, &docs, &restore, 10).await;
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_of_a_deleted_collection_is_restored_as_any_other() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "monday").await;
    given.server.delete_collection("c").await.unwrap();
    for (passed, kind) in [(3, Verification::Full), (20, Verification::Structure)] {
        given.pass(passed);
        let id = format!("r{passed}");
        let planned = plan::foretold(&mut given.server, "monday", &id).await;
        let restore = restored(&mut given.server, "monday", &id, kind).await;
        check(&mut given, &snapshot, &docs, &restore, passed).await;
        assert_eq!(planned.documents, restore.receipt.unwrap().documents_restored);
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn only_the_snapshots_own_retention_may_be_asked_for() {
    let mut given = Retained::start().await;
    given.write(&given.spread()).await;
    given.server.given_snapshot("c", "monday").await;
    let mut request = restore_request("monday", "again");
    let others = [RETENTION * 2, RETENTION / 2, RETENTION + std::time::Duration::from_micros(1)];
    for (retention, validate_only) in others.into_iter().flat_map(|other| [(other, false), (other, true)]) {
        request.restore.as_mut().unwrap().retention = Some(span(retention));
        request.validate_only = validate_only;
        let answer = given.server.create_restore(request.clone()).await;
        refused(answer, Code::InvalidArgument, "RETENTION_IMMUTABLE");
    }
    request.restore.as_mut().unwrap().retention = Some(span(RETENTION));
    given.server.create_restore(pb::CreateRestoreRequest { validate_only: true, ..request.clone() }).await.unwrap();
    request.validate_only = false;
    given.server.create_restore(request).await.unwrap();
    assert_eq!(given.server.ended_restore("again").await.state(), pb::restore::State::Succeeded);
    given.stop().await;
}
