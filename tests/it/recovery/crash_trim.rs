//! A restore that crashes while it deletes what has expired is taken up again,
//! and is exact.

use std::time::Duration;

use stillframe::pb::restore::State;

use super::{
    super::support::{Doc, TestServer, Totals, eventually, micros},
    child::{Child, aborts_by_itself},
};

/// An interval of 112.5 s.
const KEPT: Duration = Duration::from_hours(1);
const INTERVAL: i64 = 112_500_000;

fn keep() -> i64 {
    i64::try_from(KEPT.as_micros()).unwrap()
}

/// Those that happened from then on.
fn since(docs: &[Doc], time: i64) -> Vec<Doc> {
    docs.iter().filter(|doc| doc.time >= time).cloned().collect()
}

fn totals(docs: &[Doc]) -> Totals {
    Totals::of(docs.iter().map(|doc| (doc.id.as_str(), doc.time, doc.json.as_str())))
}

pub async fn a_trim(point: &str) {
    let mut server = TestServer::start().await;
    server.given_retained("books", KEPT).await;
    // They expire one by one, from a moment ahead on.
    let first = server.clock.now() - keep() + 500_000;
    let docs: Vec<Doc> = (0..6000).map(|n| Doc::new(format!("{n:04}"), first + n * 10_000, "{}")).collect();
    server.write("books", docs.iter().map(Doc::write).collect()).await;
    server.given_snapshot("books", "first").await;
    eventually("some have expired", async || server.read_all("books").await.len() < docs.len()).await;

    let mut child = Child::start_at(server.stop().await, point).await;
    let _ = child.client.request_restore("first", "again").await;
    let dir = child.aborted(point).await;
    aborts_by_itself(dir.path(), point).await;
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);

    let receipt = server.get_restore("again").await.unwrap().receipt.unwrap();
    let kept = since(&docs, micros(receipt.cutoff.as_ref()));
    assert!(!kept.is_empty() && kept.len() < docs.len());
    assert_eq!((receipt.documents_restored, &receipt.digest), (totals(&kept).documents, &totals(&kept).digest));
    assert_eq!(receipt.documents_dropped, totals(&docs).documents - receipt.documents_restored);
    for (collection, docs) in [("again", &kept), ("books", &docs)] {
        eventually("the totals are those of the intervals that are left", async || {
            let floor = (server.clock.now() - keep()).div_euclid(INTERVAL) * INTERVAL;
            Totals::kept(&server.stats(collection).await) == totals(&since(docs, floor))
        })
        .await;
        let earlier = server.clock.now() - keep();
        let seen = server.read_all(collection).await;
        let later = server.clock.now() - keep();
        assert!(seen.iter().all(|doc| docs.contains(doc) && doc.time >= earlier), "{collection}");
        assert!(since(docs, later).iter().all(|doc| seen.contains(doc)), "{collection}");
    }
    server.stop().await;
}
