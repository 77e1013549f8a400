//! `kill -9` at random moments, while writers, snapshots and restores run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use stillframe::pb::{self, restore::State as RestoreState, snapshot::State as SnapshotState};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{
    super::support::{Random, TestServer, collection_name, delete, eventually, rounds, upsert},
    child::Child,
    invariants::{Totals, check, contents, restores},
};

const LANES: usize = 3;
const BATCH: usize = 40;

/// How many batches of each lane were acknowledged. Batch `b` sets every
/// document of its lane to `b`, and adds or deletes one more in turn.
type Ledger = Arc<[AtomicU64; LANES]>;

#[apply(on_directory!)]
async fn acknowledged_work_survives_kill_at_any_moment() {
    let mut random = Random::seeded();
    let mut server = TestServer::start().await;
    server.given_collection("load").await;
    let mut dir = server.stop().await;
    let ledger = Ledger::default();
    let mut promised = Promised::default();
    for round in 0..rounds(1, 5) {
        (dir, promised) = one_life(dir, &ledger, round, random.moment()).await;
        let mut server = TestServer::reopen(dir).await;
        check(&mut server).await;
        check_documents(&mut server, &ledger).await;
        check_promises(&mut server, &promised).await;
        dir = server.stop().await;
    }
    assert!(ledger.iter().all(|acked| acked.load(Ordering::SeqCst) > 0), "every lane got somewhere");
    assert!(!promised.created.is_empty() || !promised.requested.is_empty(), "snapshots were under way");
}

/// What clients were told of snapshots and restores.
#[derive(Default)]
struct Promised {
    requested: Vec<Frozen>,
    created: Vec<String>,
    restores: Vec<String>,
}

/// A requested snapshot, and what had been acknowledged before the request.
struct Frozen {
    id: String,
    at_least: [u64; LANES],
}

async fn one_life(dir: TempDir, ledger: &Ledger, round: u32, moment: Duration) -> (TempDir, Promised) {
    let child = Child::start(dir).await;
    let before: [u64; LANES] = std::array::from_fn(|lane| ledger[lane].load(Ordering::SeqCst));
    let requested = Arc::new(AtomicU64::new(0));
    let writers: Vec<JoinHandle<()>> =
        (0..LANES).map(|lane| tokio::spawn(write(child.client.documents.clone(), Arc::clone(ledger), lane))).collect();
    let snapshots = tokio::spawn(freeze(client(&child), Arc::clone(ledger), round, Arc::clone(&requested)));
    // How long that takes is the machine's business; the moment begins behind it.
    eventually("every lane and a snapshot are under way", async || {
        let mut lanes = ledger.iter().zip(before);
        requested.load(Ordering::SeqCst) > 0 && lanes.all(|(acked, before)| acked.load(Ordering::SeqCst) > before)
    })
    .await;
    tokio::time::sleep(moment).await;
    let dir = child.kill().await;
    for writer in writers {
        writer.await.unwrap();
    }
    (dir, snapshots.await.unwrap())
}

type Documents = pb::document_service_client::DocumentServiceClient<tonic::transport::Channel>;
type Snapshots = pb::snapshot_service_client::SnapshotServiceClient<tonic::transport::Channel>;
type Restores = pb::restore_service_client::RestoreServiceClient<tonic::transport::Channel>;

fn client(child: &Child) -> (Snapshots, Restores) {
    (child.client.snapshots.clone(), child.client.restores.clone())
}

/// Writes batches until the server is gone.
async fn write(mut documents: Documents, ledger: Ledger, lane: usize) {
    loop {
        let batch = ledger[lane].load(Ordering::SeqCst) + 1;
        let json = format!(r#"{{"batch":{batch}}}"#);
        let mut writes: Vec<_> = (0..BATCH).map(|n| upsert(&format!("{lane}-{n:03}"), &json)).collect();
        let odd = format!("{lane}-odd");
        writes.push(if batch % 2 == 1 { upsert(&odd, &json) } else { delete(&odd) });
        let request = pb::WriteDocumentsRequest { collection: collection_name("load"), writes, ..Default::default() };
        if documents.write_documents(request).await.is_err() {
            return;
        }
        ledger[lane].store(batch, Ordering::SeqCst);
    }
}

/// Takes snapshots and restores them until the server is gone.
async fn freeze(
    (mut snapshots, mut restores): (Snapshots, Restores),
    ledger: Ledger,
    round: u32,
    under_way: Arc<AtomicU64>,
) -> Promised {
    let mut promised = Promised::default();
    for number in 0.. {
        let at_least = std::array::from_fn(|lane| ledger[lane].load(Ordering::SeqCst));
        let id = format!("r{round}-{number}");
        let snapshot = pb::Snapshot { collection: collection_name("load"), ..Default::default() };
        let request = pb::CreateSnapshotRequest {
            parent: "workspaces/commons".to_owned(),
            snapshot_id: id.clone(),
            snapshot: Some(snapshot),
            ..Default::default()
        };
        let Ok(requested) = snapshots.create_snapshot(request).await else { break };
        promised.requested.push(Frozen { id: id.clone(), at_least });
        under_way.fetch_add(1, Ordering::SeqCst);
        let name = requested.into_inner().name;
        let Ok(watch) = snapshots.watch_snapshot(pb::WatchSnapshotRequest { name }).await else { break };
        let mut watch = watch.into_inner();
        let mut last = None;
        while let Ok(Some(value)) = watch.message().await {
            last = Some(value.state());
        }
        if last != Some(SnapshotState::Created) {
            break;
        }
        promised.created.push(id.clone());
        // It runs while the next snapshot is taken.
        let request = super::super::support::restore_request(&id, &format!("from-{id}"));
        if restores.create_restore(request).await.is_err() {
            break;
        }
        promised.restores.push(format!("from-{id}"));
    }
    promised
}

/// **D1**: each lane is at its last acknowledged batch, or whole at the next.
async fn check_documents(server: &mut TestServer, ledger: &Ledger) {
    let found = contents(server, "load").await;
    for (lane, acked) in ledger.iter().enumerate() {
        let batch = lane_at(&found, lane);
        let acked = acked.swap(batch, Ordering::SeqCst);
        assert!(batch == acked || batch == acked + 1, "lane {lane} is at {batch}; {acked} was acknowledged");
    }
}

/// The batch that a whole lane is at.
fn lane_at(found: &std::collections::BTreeMap<String, String>, lane: usize) -> u64 {
    let batch = |json: &String| serde_json::from_str::<serde_json::Value>(json).unwrap()["batch"].as_u64().unwrap();
    let at = found.get(&format!("{lane}-000")).map_or(0, batch);
    let whole = (0..BATCH).all(|n| found.get(&format!("{lane}-{n:03}")).map_or(0, batch) == at);
    let odd = found.get(&format!("{lane}-odd")).map(batch);
    assert!(whole && odd == (at % 2 == 1).then_some(at), "lane {lane} at {at} is in pieces: {found:?}");
    at
}

/// What was requested was done, and holds what it must (**S1**, **R1**).
async fn check_promises(server: &mut TestServer, promised: &Promised) {
    for Frozen { id, .. } in &promised.requested {
        assert_eq!(server.get_snapshot(id).await.unwrap().state(), SnapshotState::Created, "{id}");
    }
    for id in &promised.restores {
        assert_eq!(server.get_restore(id).await.unwrap().state(), RestoreState::Succeeded, "{id}");
    }
    for restore in restores(server).await {
        let (collection, snapshot) = (last(&restore.collection), last(&restore.snapshot));
        let frozen = server.get_snapshot(snapshot).await.unwrap();
        assert_eq!(Totals::kept(&server.stats(collection).await), Totals::frozen(&frozen), "{collection}");
    }
    let Some(Frozen { id, at_least }) = promised.requested.last() else { return };
    let copy = format!("late-{id}");
    server.given_restore(id, &copy).await;
    let found = contents(server, &copy).await;
    for (lane, at_least) in at_least.iter().enumerate() {
        assert!(lane_at(&found, lane) >= *at_least, "S1: {id} lacks acknowledged writes");
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap()
}
