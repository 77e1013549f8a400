//! A restore that crashes while it deletes what has expired is taken up again,
//! and is exact.

use std::time::Duration;

use stillframe::{
    crash::Point,
    pb::{restore::State, write_result::Status as Became},
};

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

/// Documents that expire one by one, from a moment ahead on: closely at first, then
/// more slowly for ten minutes, so that a slow machine finds some as well. The
/// clock is the machine's, that of the child; what has expired before it is
/// written is refused, and none of ours.
async fn given_expiring(server: &mut TestServer) -> Vec<Doc> {
    let first = server.clock.now() - keep() + 500_000;
    let time = |n: i64| first + n * 10_000 + (n - 3000).max(0) * 190_000;
    let mut docs: Vec<Doc> = (0..6000).map(|n| Doc::new(format!("{n:04}"), time(n), "{}")).collect();
    let results = server.write("books", docs.iter().map(Doc::write).collect()).await.results;
    let mut written = results.iter().map(|result| result.status() == Became::Added);
    docs.retain(|_| written.next().unwrap());
    docs
}

pub async fn a_trim(point: Point) {
    let mut server = TestServer::start().await;
    server.given_retained("books", KEPT).await;
    let docs = given_expiring(&mut server).await;
    let first = server.given_snapshot("books", "first").await;
    eventually("some have expired", async || server.read_all("books").await.len() < docs.len()).await;

    let mut child = Child::start_at(server.stop().await, point.name()).await;
    let _ = child.client.request_restore("first", "again").await;
    let dir = child.aborted(point.name()).await;
    aborts_by_itself(dir.path(), point.name()).await;
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.ended_restore("again").await.state(), State::Succeeded);

    let receipt = server.get_restore("again").await.unwrap().receipt.unwrap();
    let kept = since(&docs, micros(receipt.cutoff_time.as_ref()));
    assert!(!kept.is_empty() && kept.len() < docs.len());
    assert_eq!((receipt.documents_restored, &receipt.digest), (totals(&kept).documents, &totals(&kept).digest));
    // On a slow machine whole intervals may have gone before it was frozen.
    assert_eq!(receipt.documents_dropped, first.document_count - receipt.documents_restored);
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
