//! The sweeper drops intervals that have expired as a whole, and gives their
//! files back.

use std::time::Duration;

use stillframe::{app::Config, pb::write_result::Status as Became};

use super::{Retained, counted, interval, totals, visible};
use crate::support::{Doc, TestServer, Totals, delete, eventually, micros};

const KIB: i64 = 1024;

/// Three documents in every fourth interval, whose bodies do not compress.
pub fn bulky(given: &Retained) -> Vec<Doc> {
    let mut docs = given.spread_with(noise);
    docs.retain(|doc| (interval(given.hour) - interval(doc.time)) % 4 == 0);
    docs
}

/// A body of 16 KiB that does not compress.
pub fn noise(n: i64) -> String {
    let digits = |part: u64| format!("{:032x}", xxhash_rust::xxh3::xxh3_128_with_seed(&n.to_le_bytes(), part));
    format!(r#"{{"n":"{}"}}"#, (0..512).map(digits).collect::<String>())
}

/// Files of dropped intervals stay but a moment for readers.
fn giving_back_soon(config: &mut Config) {
    config.tuning.reader_grace = Duration::from_millis(200);
}

/// A collection is open only while it is used.
fn closing_soon(config: &mut Config) {
    config.tuning.idle_close = Duration::from_millis(100);
}

/// Waits until the totals of a collection are those of the intervals that have
/// not expired.
pub async fn dropped(server: &mut TestServer, collection: &str, docs: &[Doc], cutoff: i64) {
    let expected = totals(&counted(docs, cutoff));
    eventually("the sweeper drops what has expired", async || {
        Totals::kept(&server.stats(collection).await) == expected
    })
    .await;
}

/// Everything is in files.
async fn given_bulk(change: impl FnOnce(&mut Config)) -> (Retained, Vec<Doc>) {
    let mut given = Retained::start_with(change).await;
    let docs = bulky(&given);
    given.write(&docs).await;
    given.server.given_snapshot("c", "flush").await;
    given.server.delete_snapshot("flush").await.unwrap();
    assert!(given.server.data_bytes(&given.uid) > 150 * KIB, "{}", given.server.data_bytes(&given.uid));
    (given, docs)
}

/// What is left of the files when only some documents are, with room for the
/// totals.
fn share(full: i64, docs: &[Doc], left: &[Doc]) -> i64 {
    let size = |docs: &[Doc]| docs.iter().map(Doc::size).sum::<i64>();
    full * size(left) / size(docs) + 12 * KIB
}

async fn shrunk(given: &Retained, bytes: i64) {
    eventually(&format!("the files have less than {bytes} bytes"), async || {
        given.server.data_bytes(&given.uid) < bytes
    })
    .await;
}

#[apply(on_each_storage!)]
async fn whole_intervals_leave_the_statistics_and_then_the_disk() {
    let (mut given, docs) = given_bulk(giving_back_soon).await;
    let (full, offset) = (given.server.data_bytes(&given.uid), given.server.stats("c").await.offset);
    for passed in [3, 4, 16, 17, 31] {
        given.pass(passed);
        let cutoff = given.cutoff_after(passed);
        dropped(&mut given.server, "c", &docs, cutoff).await;
        let (kept, seen) = (counted(&docs, cutoff), visible(&docs, cutoff));
        let stats = given.server.stats("c").await;
        assert_eq!(stats.expired_document_count, i64::try_from(kept.len() - seen.len()).unwrap());
        assert_eq!(stats.offset, offset, "retention does not move it");
        let times = || kept.iter().map(|doc| doc.time);
        let oldest = micros(stats.oldest_event_time.as_ref());
        assert!(oldest <= times().min().unwrap() && interval(oldest) >= interval(cutoff), "{oldest}");
        assert!(micros(stats.newest_event_time.as_ref()) >= times().max().unwrap());
        assert_eq!(given.server.read_all("c").await, seen);
        shrunk(&given, share(full, &docs, &kept)).await;
    }
    given.pass(33);
    dropped(&mut given.server, "c", &[], 0).await;
    let stats = given.server.stats("c").await;
    assert_eq!((stats.oldest_event_time, stats.newest_event_time, stats.expired_document_count), (None, None, 0));
    assert_eq!((stats.digest, stats.offset), (format!("v1:{:032}", 0), offset));
    shrunk(&given, share(full, &docs, &[])).await;
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_that_is_used_again_after_a_drop_starts_anew() {
    let mut given = Retained::start().await;
    let mut docs = given.spread();
    given.write(&docs).await;
    given.pass(16);
    let cutoff = given.cutoff_after(16);
    dropped(&mut given.server, "c", &docs, cutoff).await;
    let (kept, gone): (Vec<Doc>, Vec<Doc>) =
        docs.iter().cloned().partition(|doc| interval(doc.time) >= interval(cutoff));
    assert!(gone.len() > 40);
    let deletes = gone.iter().map(|doc| delete(&doc.id)).collect();
    assert!(given.server.statuses(deletes).await.iter().all(|status| *status == Became::NotFound));
    docs = gone.into_iter().map(|doc| Doc { time: given.ago(-16, 0), ..doc }).collect();
    let statuses = given.server.statuses(docs.iter().map(Doc::write).collect()).await;
    assert!(statuses.iter().all(|status| *status == Became::Added), "{statuses:?}");
    docs.extend(kept);
    assert_eq!(given.totals().await, totals(&docs));
    assert_eq!(given.server.read_all("c").await, visible(&docs, cutoff));
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_closed_collection_gives_its_space_back_too() {
    let (mut given, docs) = given_bulk(closing_soon).await;
    let ids = given.server.files(&given.uid).join("ids.filter");
    let full = given.server.data_bytes(&given.uid);
    for passed in [20, 33] {
        eventually("the collection is closed", async || ids.exists()).await;
        given.pass(passed);
        let cutoff = given.cutoff_after(passed);
        dropped(&mut given.server, "c", &docs, cutoff).await;
        shrunk(&given, share(full, &docs, &counted(&docs, cutoff))).await;
        assert_eq!(given.server.read_all("c").await, visible(&docs, cutoff));
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn what_expires_while_the_server_is_down_is_dropped_when_it_is_back() {
    let (mut given, docs) = given_bulk(|_| {}).await;
    let full = given.server.data_bytes(&given.uid);
    given = given.reopen_with(closing_soon).await;
    given.pass(20);
    let cutoff = given.cutoff_after(20);
    // Nobody uses the collection.
    shrunk(&given, share(full, &docs, &counted(&docs, cutoff))).await;
    dropped(&mut given.server, "c", &docs, cutoff).await;
    assert_eq!(given.server.read_all("c").await, visible(&docs, cutoff));
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn space_that_a_stop_kept_from_being_given_back_is_given_back_later() {
    let (mut given, docs) = given_bulk(|_| {}).await;
    let full = given.server.data_bytes(&given.uid);
    given.pass(33);
    dropped(&mut given.server, "c", &[], 0).await;
    // The statistics come first, the files later: the server stops in between.
    given = given.reopen_with(closing_soon).await;
    given.pass(33);
    shrunk(&given, share(full, &docs, &[])).await;
    assert!(given.server.read_all("c").await.is_empty() && !docs.is_empty());
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_collection_whose_storage_is_stuck_holds_up_no_other() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_retained("next", super::RETENTION).await;
    given.server.write("next", docs.iter().map(Doc::write).collect()).await;
    let block = given.server.block(&format!("collections/{}/compacted", given.uid));
    given.pass(20);
    let cutoff = given.cutoff_after(20);
    for collection in ["c", "next"] {
        dropped(&mut given.server, collection, &docs, cutoff).await;
    }
    let mut given = given.reopen_with(|_| {}).await;
    block.lift();
    for collection in ["c", "next"] {
        assert_eq!(given.server.read_all(collection).await, visible(&docs, cutoff));
    }
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn only_collections_with_a_retention_lose_anything() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.server.given_collection("ever").await;
    given.server.given_retained("longer", 3 * super::RETENTION).await;
    given.write(&docs).await;
    for collection in ["ever", "longer"] {
        given.server.write(collection, docs.iter().map(Doc::write).collect()).await;
    }
    given.pass(33);
    dropped(&mut given.server, "c", &[], 0).await;
    for collection in ["ever", "longer"] {
        assert_eq!(Totals::kept(&given.server.stats(collection).await), totals(&docs));
        assert_eq!(given.server.read_all(collection).await.len(), docs.len());
    }
    given.stop().await;
}
