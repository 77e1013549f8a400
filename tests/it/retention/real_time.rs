//! Without a hand on the clock from the moment on when the first is about to expire:
//! documents vanish by themselves, from reads, from the statistics and from the disk.

use std::time::Duration;

use super::advance;
use crate::support::{Doc, TestServer, eventually, micros, upsert};

/// Long enough for a slow machine to write what is kept and to find it again; an
/// interval has 112.5 seconds.
const KEPT: Duration = Duration::from_hours(1);
const INTERVAL: i64 = 112_500_000;
/// From the first that expires to the last, which happened at the end of the interval.
const SPREAD: i64 = 1_200_000;

fn keep() -> i64 {
    i64::try_from(KEPT.as_micros()).unwrap()
}

/// Documents at the end of an interval, half a second before the first expires.
async fn given_expiring(server: &mut TestServer, uid: &str) -> Vec<Doc> {
    let end = server.clock.now().div_euclid(INTERVAL) * INTERVAL;
    let time = |n: i64| end - 1 - n * SPREAD / 80;
    let docs: Vec<Doc> = (0..80).map(|n| Doc::new(format!("{n:02}"), time(n), super::sweep::noise(n))).collect();
    server.write("c", docs.iter().map(Doc::write).collect()).await;
    // Into files, which only the retention takes away.
    server.given_snapshot("c", "flush").await;
    server.delete_snapshot("flush").await.unwrap();
    let full = server.data_bytes(uid);
    assert!(full > 1 << 20, "they are there: {full}");
    advance(server, end - SPREAD - 500_000 + keep() - server.clock.now());
    docs
}

#[apply(on_each_storage!)]
async fn documents_vanish_by_themselves_and_new_ones_stay() {
    let mut server = TestServer::start_with(|config| config.tuning.reader_grace = Duration::from_millis(100)).await;
    let uid = server.given_retained("c", KEPT).await.uid;
    let docs = given_expiring(&mut server, &uid).await;
    let newest = docs[0].time;

    eventually("the old ones vanish from reads, one by one", async || {
        let earlier = server.clock.now() - keep();
        let mut seen = server.read_all("c").await;
        let later = server.clock.now() - keep();
        assert!(seen.iter().all(|doc| doc.time >= earlier), "an expired one is shown");
        assert!(docs.iter().filter(|doc| doc.time >= later).all(|doc| seen.contains(doc)), "one is missing");
        seen.retain(|doc| docs.contains(doc));
        seen.is_empty()
    })
    .await;
    eventually("they vanish from the statistics", async || {
        // A new one is there at once, whatever is dropped meanwhile.
        server.write_one(upsert("fresh", "{}")).await;
        assert_eq!(server.read("fresh").await.unwrap().id, "fresh");
        let stats = server.stats("c").await;
        stats.document_count == 1 && micros(stats.oldest_event_time.as_ref()) > newest
    })
    .await;
    eventually("they vanish from the disk", async || {
        server.write_one(upsert("fresh", "{}")).await;
        server.data_bytes(&uid) < 256 << 10
    })
    .await;
    server.stop().await;
}
