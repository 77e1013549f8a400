//! `kill -9` while documents move in time and whole intervals are dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use stillframe::{clock::Clock, pb};
use tempfile::TempDir;

use super::{
    super::support::{Doc, TestServer, collection_name, eventually, micros},
    child::Child,
};

/// An interval of two seconds, so that one expires every two seconds.
const KEPT: Duration = Duration::from_secs(64);
const LANES: usize = 2;
const BATCH: i64 = 50;

type Documents = pb::document_service_client::DocumentServiceClient<tonic::transport::Channel>;

/// The batches that a lane has sent, and how many of them were acknowledged.
#[derive(Clone, Default)]
struct Lane {
    sent: Arc<Mutex<Vec<Vec<Doc>>>>,
    acknowledged: Arc<AtomicUsize>,
}

fn keep() -> i64 {
    i64::try_from(KEPT.as_micros()).unwrap()
}

/// Puts the same documents elsewhere in time with every batch, until the server
/// is gone.
async fn write(mut documents: Documents, lane: usize, ledger: Lane) {
    loop {
        let batch = i64::try_from(ledger.sent.lock().len()).unwrap();
        let now = Clock::default().now();
        let place = |n: i64| now - (n * 7_919 + batch * 104_729) % 63_000 * 1_000;
        let json = format!(r#"{{"batch":{batch}}}"#);
        let docs: Vec<Doc> = (0..BATCH).map(|n| Doc::new(format!("{lane}-{n}"), place(n), &json)).collect();
        let writes = docs.iter().map(Doc::write).collect();
        ledger.sent.lock().push(docs);
        let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
        if documents.write_documents(request).await.is_err() {
            return;
        }
        ledger.acknowledged.fetch_add(1, SeqCst);
    }
}

/// Writes until the server has dropped something, then kills it.
async fn one_life(dir: TempDir, lanes: &[Lane; LANES]) -> TempDir {
    let mut child = Child::start(dir).await;
    let writers: Vec<_> = lanes
        .iter()
        .enumerate()
        .map(|(n, lane)| tokio::spawn(write(child.client.documents.clone(), n, lane.clone())))
        .collect();
    let is_behind = async |client: &mut TestServer, time| {
        let oldest = client.stats("c").await.oldest_event_time;
        oldest.is_some_and(|oldest| micros(Some(&oldest)) > time)
    };
    eventually("something is written", async || is_behind(&mut child.client, 0).await).await;
    let first = micros(child.client.stats("c").await.oldest_event_time.as_ref());
    eventually("something is dropped", async || is_behind(&mut child.client, first).await).await;
    let dir = child.kill().await;
    for writer in writers {
        writer.await.unwrap();
    }
    // What was not acknowledged may be there, or not.
    for lane in lanes {
        lane.sent.lock().truncate(lane.acknowledged.load(SeqCst) + 1);
    }
    dir
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_and_drops_survive_kill_at_any_moment() {
    let mut server = TestServer::start_with(|config| config.shortest_retention = KEPT).await;
    server.given_retained("c", KEPT).await;
    for round in 0..3 {
        let lanes: [Lane; LANES] = Default::default();
        let dir = one_life(server.stop().await, &lanes).await;
        server = TestServer::reopen(dir).await;
        check(&mut server, &lanes).await;
        // The proof of a restore is that of the totals (D2).
        let frozen = server.given_snapshot("c", &format!("s{round}")).await;
        let receipt = server.given_restore(&format!("s{round}"), &format!("r{round}")).await.receipt.unwrap();
        assert_eq!(receipt.documents_restored + receipt.documents_dropped, frozen.document_count);
    }
    server.stop().await;
}

/// **D1**: each lane is at its last acknowledged batch, or whole at the next.
async fn check(server: &mut TestServer, lanes: &[Lane; LANES]) {
    let earlier = server.clock.now() - keep();
    let seen = server.read_all("c").await;
    let later = server.clock.now() - keep();
    assert!(seen.iter().all(|doc| doc.time >= earlier), "nothing that has expired");
    for (n, lane) in lanes.iter().enumerate() {
        let found: Vec<&Doc> = seen.iter().filter(|doc| doc.id.starts_with(&format!("{n}-"))).collect();
        let (sent, acknowledged) = (lane.sent.lock(), lane.acknowledged.load(SeqCst));
        let is = |docs: &Vec<Doc>| {
            let there = docs.iter().filter(|doc| doc.time >= later).all(|doc| found.contains(&doc));
            there && found.iter().all(|doc| docs.contains(doc))
        };
        assert!(acknowledged > 0 && sent[acknowledged - 1..].iter().any(is), "lane {n}: {found:?}");
    }
    let stats = server.stats("c").await;
    assert!(stats.document_count <= BATCH * i64::try_from(LANES).unwrap(), "none is there twice");
}
