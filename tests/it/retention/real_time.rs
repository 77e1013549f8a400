//! Without a hand on the clock: documents vanish by themselves, from reads, from
//! the statistics and from the disk.

use std::time::Duration;

use crate::support::{Doc, TestServer, eventually, micros, upsert};

const KEPT: Duration = Duration::from_secs(2);

fn keep() -> i64 {
    i64::try_from(KEPT.as_micros()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_vanish_by_themselves_and_new_ones_stay() {
    let mut server = TestServer::start_with(|config| {
        config.shortest_retention = KEPT;
        config.tuning.reader_grace = Duration::from_millis(100);
    })
    .await;
    let uid = server.given_retained("c", KEPT).await.uid;
    let now = server.clock.now();
    let docs: Vec<Doc> =
        (0..80).map(|n| Doc::new(format!("{n:02}"), now - n * 15_000, super::sweep::noise(n))).collect();
    server.write("c", docs.iter().map(Doc::write).collect()).await;
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
    let full = server.data_bytes(&uid);
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
    assert!(full > 1 << 20, "they had been there: {full}");
    server.stop().await;
}
