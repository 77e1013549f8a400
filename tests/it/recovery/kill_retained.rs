//! `kill -9` while documents move in time and whole intervals are dropped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use stillframe::{
    clock::Clock,
    pb::{self, write_result::Status as Became},
};
use tempfile::TempDir;

use super::{
    super::{
        documents::error_of,
        support::{Doc, TestServer, collection_name, eventually, micros, reason, rounds},
    },
    child::Child,
};

/// An interval of two seconds, so that one expires every two seconds: the clock of
/// the child is the machine's. A slow machine finds a batch expired in part before
/// it is written, and all of it before it is read: both are allowed for.
const KEPT: Duration = Duration::from_secs(64);
const LANES: usize = 2;
const BATCH: i64 = 50;

type Documents = pb::document_service_client::DocumentServiceClient<tonic::transport::Channel>;

/// What a lane has sent, and what became of it.
#[derive(Clone, Default)]
struct Lane(Arc<Mutex<Sent>>);

#[derive(Default)]
struct Sent {
    batches: i64,
    /// In this life.
    acknowledged: usize,
    /// What acknowledged batches have left, expired or not.
    held: BTreeMap<String, Doc>,
    /// The batch that nobody has answered.
    open: Vec<Doc>,
}

impl Lane {
    /// Puts the same documents elsewhere in time with every batch.
    fn next(&self, lane: usize) -> Vec<pb::Write> {
        let mut sent = self.0.lock();
        let (batch, now) = (sent.batches, Clock::default().now());
        sent.batches += 1;
        let place = |n: i64| now - (n * 7_919 + batch * 104_729) % 63_000 * 1_000;
        let json = format!(r#"{{"batch":{batch}}}"#);
        sent.open = (0..BATCH).map(|n| Doc::new(format!("{lane}-{n}"), place(n), &json)).collect();
        sent.open.iter().map(Doc::write).collect()
    }

    fn answered(&self, results: &[pb::WriteResult]) {
        let mut sent = self.0.lock();
        for (doc, result) in std::mem::take(&mut sent.open).into_iter().zip(results) {
            match result.status() {
                Became::Added | Became::Replaced => drop(sent.held.insert(doc.id.clone(), doc)),
                // It had expired on its way; what was there before stays.
                _ => assert_eq!(reason(&error_of(result)), "EVENT_TIME_OUT_OF_RANGE"),
            }
        }
        sent.acknowledged += 1;
    }

    fn is_under_way(&self) -> bool {
        self.0.lock().acknowledged > 0
    }

    /// **D1**: it is at its last acknowledged batch, or whole at the next. What had
    /// expired `later`, when all was read, need not be there.
    fn check(&self, found: BTreeMap<String, Doc>, later: i64) {
        let mut sent = self.0.lock();
        let is = |id: &str, doc: Option<&Doc>| match (doc, found.get(id)) {
            (Some(doc), None) => doc.time < later,
            (doc, found) => doc == found,
        };
        let is_held = |id: &str| is(id, sent.held.get(id));
        let is_next = |id: &str| match sent.open.iter().find(|doc| doc.id == id) {
            // Only what had expired by then can have been refused.
            Some(next) => is(id, Some(next)) || (next.time < later && is_held(id)),
            None => is_held(id),
        };
        let opened = sent.open.iter().map(|doc| &doc.id);
        let ids: BTreeSet<&String> = sent.held.keys().chain(opened).chain(found.keys()).collect();
        let is_whole = ids.iter().all(|id| is_held(id)) || ids.iter().all(|id| is_next(id));
        assert!(sent.acknowledged > 0 && is_whole, "{found:?}, not {:?} or {:?}", sent.held, sent.open);
        // The next life goes on from what is there.
        *sent = Sent { batches: sent.batches, held: found, ..Sent::default() };
    }
}

fn keep() -> i64 {
    i64::try_from(KEPT.as_micros()).unwrap()
}

/// Writes batches until the server is gone.
async fn write(mut documents: Documents, lane: usize, ledger: Lane) {
    loop {
        let (collection, writes) = (collection_name("c"), ledger.next(lane));
        let request = pb::WriteDocumentsRequest { collection, writes, ..Default::default() };
        let Ok(answer) = documents.write_documents(request).await else { return };
        ledger.answered(&answer.into_inner().results);
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
    let mut first = None;
    eventually("something is written in each lane", async || {
        first = oldest(&mut child.client).await;
        first.is_some() && lanes.iter().all(Lane::is_under_way)
    })
    .await;
    eventually("something is dropped", async || oldest(&mut child.client).await > first).await;
    let dir = child.kill().await;
    for writer in writers {
        writer.await.unwrap();
    }
    dir
}

/// When the oldest document happened, if there is one just now.
async fn oldest(server: &mut TestServer) -> Option<i64> {
    server.stats("c").await.oldest_event_time.map(|time| micros(Some(&time)))
}

#[apply(on_directory!)]
async fn moves_and_drops_survive_kill_at_any_moment() {
    let mut server = TestServer::start_with(|config| config.shortest_retention = KEPT).await;
    server.given_retained("c", KEPT).await;
    let lanes: [Lane; LANES] = Default::default();
    for round in 0..rounds(1, 3) {
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

async fn check(server: &mut TestServer, lanes: &[Lane; LANES]) {
    let earlier = server.clock.now() - keep();
    let seen = server.read_all("c").await;
    let later = server.clock.now() - keep();
    assert!(seen.iter().all(|doc| doc.time >= earlier), "nothing that has expired");
    for (n, lane) in lanes.iter().enumerate() {
        let ours = seen.iter().filter(|doc| doc.id.starts_with(&format!("{n}-")));
        lane.check(ours.map(|doc| (doc.id.clone(), doc.clone())).collect(), later);
    }
    let stats = server.stats("c").await;
    assert!(stats.document_count <= BATCH * i64::try_from(LANES).unwrap(), "none is there twice");
}
