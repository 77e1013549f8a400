//! At the edges, to the byte.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use slatedb::config::{FlushOptions, FlushType};
use uuid::Uuid;

use super::*;
use crate::share::Tenant;
use crate::{
    clock::Clock,
    documents::{Engine, Known, Operation, Root, Store, Tuning, Write},
    tasks::Tasks,
};

#[derive(Clone, Debug, Default)]
struct Fake(Arc<AtomicU64>);

impl Fake {
    fn flush(&self, to: u64) {
        self.0.store(to, Ordering::SeqCst);
    }
}

impl Flushed for Fake {
    fn flushed_to(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl PartialEq for Fake {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

const MIB: usize = 1 << 20;

/// A budget of 100 MiB, so a limit of 150, over databases that flush
/// themselves at 80.
fn buffers() -> (Buffers<Fake>, [(Ticket, Fake); 2]) {
    let buffers = Buffers::new(100 * MIB, 80 * MIB);
    let opened = [(); 2].map(|()| {
        let database = Fake::default();
        (buffers.open(database.clone(), None), database)
    });
    (buffers, opened)
}

fn wrote(buffers: &Buffers<Fake>, ticket: Ticket, number: u64, mib: usize) -> Option<Ticket> {
    assert_eq!(buffers.take(ticket, mib * MIB), Room::Taken);
    buffers.wrote(ticket, number, mib * MIB).map(|(ticket, _)| ticket)
}

fn total(buffers: &Buffers<Fake>) -> usize {
    buffers.state.lock().total / MIB
}

#[test]
fn beyond_the_budget_the_largest_is_flushed() {
    let (buffers, [(a, in_a), (b, _)]) = buffers();
    assert_eq!(wrote(&buffers, a, 1, 60), None);
    assert_eq!(wrote(&buffers, b, 1, 40), None);
    assert_eq!(wrote(&buffers, b, 2, 1), Some(a));
    assert_eq!(wrote(&buffers, b, 3, 1), None, "a is being flushed");
    in_a.flush(1);
    buffers.flushed(a, true);
    assert_eq!(total(&buffers), 42);
    assert_eq!(wrote(&buffers, b, 4, 50), None, "b has begun to flush itself");
    assert_eq!(total(&buffers), 92, "which is not done");
    buffers.close(b);
    assert_eq!(wrote(&buffers, b, 5, 140), None, "a late write of a closed one counts nowhere");
    assert_eq!(total(&buffers), 0);
}

#[test]
fn at_the_limit_writers_wait_for_what_is_being_flushed() {
    let (buffers, [(a, in_a), (b, in_b)]) = buffers();
    assert_eq!(wrote(&buffers, a, 1, 71), None);
    assert_eq!(wrote(&buffers, b, 1, 69), Some(a));
    assert_eq!(wrote(&buffers, a, 2, 10), None);
    assert_eq!(total(&buffers), 150);
    assert_eq!(buffers.take(a, 0), Room::Taken, "to the last byte");
    assert_eq!(buffers.take(a, 1), Room::Full(Some((b, in_b.clone()))));
    assert_eq!(buffers.take(b, 1), Room::Full(None), "both are being flushed");
    // It is only as far as the first write of a.
    in_a.flush(1);
    assert_eq!(wrote(&buffers, b, 2, 71), None);
    assert_eq!(buffers.take(b, 1), Room::Full(None));
    buffers.flushed(a, true);
    in_b.flush(2);
    buffers.flushed(b, true);
    assert_eq!(buffers.take(a, 140 * MIB), Room::Taken);
    assert_eq!(total(&buffers), 150, "taken before it is written");
}

#[test]
fn what_a_database_flushed_by_itself_is_seen_when_room_is_scarce() {
    let (buffers, [(a, in_a), _]) = buffers();
    (1..=2).for_each(|number| assert_eq!(wrote(&buffers, a, number, 75), None));
    in_a.flush(1);
    assert_eq!(wrote(&buffers, a, 3, 75), None);
    in_a.flush(3);
    assert_eq!(buffers.take(a, 150 * MIB), Room::Taken);
}

#[test]
fn a_flush_that_failed_is_not_asked_for_again_and_closing_makes_room() {
    let (buffers, [(a, _), (b, in_b)]) = buffers();
    assert_eq!(wrote(&buffers, a, 1, 75), None);
    assert_eq!(wrote(&buffers, a, 2, 75), None);
    assert!(matches!(buffers.take(b, 1), Room::Full(Some((ticket, _))) if ticket == a));
    buffers.flushed(a, false);
    assert_eq!(buffers.take(b, 1), Room::Full(None));
    buffers.close(a);
    assert_eq!(wrote(&buffers, b, 1, 60), None);
    // What was taken and not written goes with the database.
    assert_eq!(buffers.take(b, 80 * MIB), Room::Taken);
    assert_eq!(buffers.take(b, 80 * MIB), Room::Full(Some((b, in_b))));
    buffers.close(b);
    assert_eq!(total(&buffers), 0);
}

#[test]
fn one_write_larger_than_the_limit_does_not_wait_for_ever() {
    let (buffers, [(a, _), _]) = buffers();
    assert_eq!(buffers.take(a, 151 * MIB), Room::Taken);
}

#[test]
fn what_a_log_brings_back_counts_until_it_is_flushed() {
    let (buffers, _) = buffers();
    let database = Fake::default();
    database.flush(6);
    let again = buffers.open(database.clone(), Some(7));
    assert_eq!(total(&buffers), 80);
    assert_eq!(wrote(&buffers, again, 8, 1), None);
    database.flush(7);
    buffers.flushed(again, true);
    assert_eq!(total(&buffers), 1);
}

#[test]
fn many_small_writes_are_kept_in_few_heaps() {
    let (buffers, [(a, in_a), _]) = buffers();
    for number in 1..=10_000 {
        assert_eq!(buffers.take(a, 1000), Room::Taken);
        assert_eq!(buffers.wrote(a, number, 1000), None);
    }
    assert_eq!(buffers.state.lock().open[&a].heaps.len(), 10);
    in_a.flush(5_000);
    buffers.flushed(a, true);
    let held = buffers.state.lock().open[&a].held;
    assert!((5_000_000..5_000_000 + HEAP_BYTES).contains(&held), "{held}");
}

const WRITES: usize = 40;

async fn write(engine: &Engine, n: usize) {
    let body = format!(r#"{{"x":"{}"}}"#, "x".repeat(50_000)).into();
    let operation = Operation::Upsert { event_time: None, body };
    engine
        .write(&Tenant::of_workspace("commons"), vec![Write { id: n.to_string(), operation, if_etag: None }])
        .await
        .unwrap();
}

async fn write_all(engine: &Engine) {
    for n in 0..WRITES {
        write(engine, n).await;
        let buffers = &engine.store.buffers;
        let held = buffers.state.lock().total;
        assert!(held <= buffers.limit, "{held}");
    }
}

async fn flush(engine: &Engine) {
    let db = engine.base.to_write().unwrap();
    db.flush_with_options(FlushOptions { flush_type: FlushType::MemTable }).await.unwrap();
}

fn held(store: &Store) -> usize {
    let mut state = store.buffers.state.lock();
    state.settle();
    state.total
}

async fn open(store: &Store, uid: Uuid) -> Arc<Engine> {
    Engine::open(store, uid, Arc::default(), &Known::default()).await.unwrap()
}

/// A store in a directory whose databases may hold so much.
fn store(dir: &std::path::Path, limit: usize) -> Store {
    let background = tokio::runtime::Handle::current();
    let root = Root::local(dir).unwrap();
    let mut store = Store::new(root, Tasks::default(), Clock::default(), Tuning::DIRECTORY, background);
    store.buffers = Arc::new(Buffers::new(limit, Tuning::DIRECTORY.flush_bytes));
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_brings_back_is_held_until_it_is_flushed() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing is flushed for want of room.
    let store = store(dir.path(), 1 << 30);
    let uid = Uuid::from_u128(1);
    Engine::create(&store, uid, None).await.unwrap();
    let engine = open(&store, uid).await;
    write(&engine, 0).await;
    engine.close(false).await.unwrap();
    assert_eq!(held(&store), 0, "nor is what is closed");
    let again = open(&store, uid).await;
    assert_eq!(held(&store), Tuning::DIRECTORY.flush_bytes);
    write(&again, 1).await;
    flush(&again).await;
    assert_eq!(held(&store), 0);
    again.close(false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_write_far_more_than_the_limit_stay_below_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 200_000);
    let uids = [1, 2, 3].map(Uuid::from_u128);
    let mut engines = Vec::new();
    for uid in uids {
        Engine::create(&store, uid, None).await.unwrap();
        engines.push(open(&store, uid).await);
    }
    futures::future::join_all(engines.iter().map(|engine| write_all(engine))).await;
    for engine in &engines {
        assert_eq!(engine.totals().document_count, i64::try_from(WRITES).unwrap());
        flush(engine).await;
    }
    assert_eq!(held(&store), 0, "what is flushed is not held");

    // What a log brings back does not stop writers for good.
    write(&engines[0], WRITES).await;
    for engine in engines {
        engine.close(false).await.unwrap();
    }
    assert_eq!(held(&store), 0, "nor what is closed");
    let again = open(&store, uids[0]).await;
    write(&again, WRITES + 1).await;
    flush(&again).await;
    assert_eq!(held(&store), 0);
    again.close(false).await.unwrap();
}
