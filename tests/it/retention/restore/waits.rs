//! The cutoff of a restore is that of its start, to the microsecond, however long
//! it takes.

use stillframe::pb::restore::State;

use super::{
    super::{HOUR, MINUTE, Retained, advance, counted, sweep::dropped, totals, visible},
    check,
};
use crate::support::{Doc, Totals, micros};

#[apply(on_each_storage!)]
async fn a_running_restore_keeps_the_cutoff_of_its_start() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "monday").await;
    given.pass(2);
    let block = given.server.block_copies();
    given.server.request_restore("monday", "again").await.unwrap();
    given.server.running_restore("again").await;
    let running = given.server.get_restore("again").await.unwrap();
    let plan = running.plan.unwrap();
    let cutoff = micros(plan.cutoff_time.as_ref());
    assert_eq!(cutoff, micros(running.start_time.as_ref()) - 32 * HOUR);
    let boundary = counted(&docs, cutoff).len() - counted(&docs, cutoff + HOUR).len();
    assert_eq!(plan.documents_undecided, i64::try_from(boundary).unwrap(), "not read yet");
    assert_eq!(plan.documents, totals(&counted(&docs, cutoff)).documents);
    given.pass(20);
    block.lift();
    assert_eq!(given.server.ended_restore("again").await.state(), State::Succeeded);

    let ended = given.server.get_restore("again").await.unwrap();
    let receipt = ended.receipt.unwrap();
    let kept = visible(&docs, given.cutoff_after(2));
    assert_eq!(micros(receipt.cutoff_time.as_ref()), cutoff);
    assert_eq!((receipt.documents_restored, &receipt.digest), (totals(&kept).documents, &totals(&kept).digest));
    // What has expired since is hidden at once, and dropped soon.
    assert_eq!(given.server.read_all("again").await, visible(&docs, given.cutoff_after(20)));
    let now = given.cutoff_after(20);
    dropped(&mut given.server, "again", &kept, now).await;
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_pending_restore_starts_later_and_goes_by_that_time() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    let snapshot = given.server.given_snapshot("c", "monday").await;
    let block = given.server.block_pins();
    let asked = given.server.request_restore("monday", "again").await.unwrap();
    let (state, plan) = (asked.state(), asked.plan.unwrap());
    assert_eq!((state, plan.cutoff_time, plan.documents_undecided), (State::Pending, None, 0), "nothing is settled");
    assert_eq!((plan.documents, plan.documents_dropped), (snapshot.document_count, 0));
    given.pass(12);
    block.lift();
    assert_eq!(given.server.ended_restore("again").await.state(), State::Succeeded);
    let ended = given.server.get_restore("again").await.unwrap();
    check(&mut given, &snapshot, &docs, &ended, 12).await;
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restart_in_between_keeps_the_cutoff() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "monday").await;
    given.pass(2);
    let block = given.server.block_copies();
    given.server.request_restore("monday", "again").await.unwrap();
    given.server.running_restore("again").await;
    let cutoff = given.server.get_restore("again").await.unwrap().plan.unwrap().cutoff_time;
    let mut given = given.reopen_with(|_| {}).await;
    block.lift();
    assert_eq!(given.server.ended_restore("again").await.state(), State::Succeeded);
    let receipt = given.server.get_restore("again").await.unwrap().receipt.unwrap();
    let kept = visible(&docs, given.cutoff_after(2));
    assert_eq!((receipt.cutoff_time, receipt.digest), (cutoff, totals(&kept).digest), "though the clock was set back");
    assert_eq!(Totals::kept(&given.server.stats("again").await), totals(&kept));
    assert_eq!(given.server.read_all("again").await, kept);
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn of_documents_milliseconds_apart_none_is_on_the_wrong_side() {
    let mut given = Retained::start().await;
    // Ten minutes ahead, so that a slow machine can write them all; close to each
    // other at first, then wider apart for ten minutes more, so that it is not behind
    // them all with its last restore.
    let edge = given.server.clock.now() - 32 * HOUR + 10 * MINUTE;
    let time = |n: i64| edge + n * 5_000 + (n - 3_000).max(0) * 195_000;
    let docs: Vec<Doc> = (0..6_000).map(|n| Doc::new(format!("{n:04}"), time(n), "{}")).collect();
    given.write(&docs).await;
    given.server.given_snapshot("c", "monday").await;
    advance(&given.server, edge + 32 * HOUR + 500_000 - given.server.clock.now());
    for id in ["first", "second", "third"] {
        let receipt = given.server.given_restore("monday", id).await.receipt.unwrap();
        let cutoff = micros(receipt.cutoff_time.as_ref());
        let kept: Vec<Doc> = docs.iter().filter(|doc| doc.time >= cutoff).cloned().collect();
        assert!(kept.len() < docs.len() && !kept.is_empty(), "the edge was in reach");
        assert_eq!((receipt.documents_restored, receipt.digest), (totals(&kept).documents, totals(&kept).digest));

        let before = given.server.clock.now() - 32 * HOUR;
        let seen = given.server.read_all(id).await;
        let after = given.server.clock.now() - 32 * HOUR;
        let is_in = |docs: &[Doc], time: i64| docs.binary_search_by_key(&time, |doc| doc.time).is_ok();
        assert!(seen.iter().all(|doc| doc.time >= before && is_in(&kept, doc.time)));
        assert!(docs.iter().filter(|doc| doc.time >= after).all(|doc| is_in(&seen, doc.time)));
    }
    given.stop().await;
}
