//! Reads of one revision, and subscriptions to what came behind it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use stillframe::{
    error::Error,
    records::{Change, Record, Records, Subscription, TooOld, Workspace},
};
use tokio::task::JoinSet;

use super::{
    conformance::{Given, workspace},
    given::large_labels,
};
use crate::support::{DEADLINE, eventually, rounds};

async fn insert(records: &Records, id: &str) {
    records.commit(Change::default().insert(&workspace(id, 1))).await.unwrap();
}

/// Notes the ids of new workspaces.
fn noting(told: &Arc<Mutex<Vec<String>>>) -> Subscription {
    let told = Arc::clone(told);
    Subscription::default().to(move |before: Option<&Workspace>, after: Option<&Workspace>| {
        if let (None, Some(made)) = (before, after) {
            told.lock().unwrap().push(made.name.0.to_string());
        }
    })
}

/// Wakes the runtime's threads until it is dropped: one that blocks has the timers and sockets
/// with it, which another takes over only when it is woken.
#[allow(clippy::disallowed_methods, reason = "nothing of the runtime may do it")]
fn kept_awake() -> mpsc::Sender<()> {
    let (awake, end) = mpsc::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        while end.recv_timeout(Duration::from_millis(10)) == Err(mpsc::RecvTimeoutError::Timeout) {
            runtime.spawn(std::future::ready(()));
        }
    });
    awake
}

#[apply(on_each_storage!)]
async fn nothing_changes_while_one_revision_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let _awake = kept_awake();
    let (records, log) = (given.records.clone(), given.log().await);
    insert(&records, "a").await;
    let at = records.at();
    let revision = at.revision();
    assert_eq!(revision, records.revision());
    let (mut committing, others) = (JoinSet::new(), records.clone());
    committing.spawn(async move { insert(&others, "b").await });
    eventually("the change is in the log", async || log.read(revision + 1).await.unwrap().is_some()).await;
    // Nobody hears of it as long as that is read.
    assert!(tokio::time::timeout(Duration::from_millis(300), committing.join_next()).await.is_err());
    assert!(at.get(&Workspace::at(&"b".parse().unwrap())).unwrap().is_none());
    let (found, counted) = (at.scan(&Workspace::all()).count(), at.count(&Workspace::every()));
    let every = at.find(&Workspace::every()).unwrap();
    assert_eq!((found, counted, every.len(), at.revision()), (1, 1, 1, revision));
    drop(at);
    tokio::time::timeout(DEADLINE, committing.join_all()).await.unwrap();
    assert_eq!((records.at().count(&Workspace::every()), records.at().revision()), (2, revision + 1));
    // As found by a start, too.
    let given = given.again_with(records).await;
    assert_eq!(given.records.at().revision(), revision + 1);
}

#[apply(on_each_storage!)]
async fn who_subscribes_behind_a_revision_is_told_of_what_came_since_and_then() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    for id in ["a", "b"] {
        insert(records, id).await;
    }
    let revision = records.at().revision();
    for id in ["c", "d"] {
        insert(records, id).await;
    }
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    records.subscribe_from(revision, noting(&told)).unwrap();
    assert_eq!(*told.lock().unwrap(), ["c", "d"]);
    insert(records, "e").await;
    assert_eq!(*told.lock().unwrap(), ["c", "d", "e"], "before its caller hears");
    let now = records.at().revision();
    let later: Arc<Mutex<Vec<String>>> = Arc::default();
    records.subscribe_from(now, noting(&later)).unwrap();
    assert!(later.lock().unwrap().is_empty());
    // A process knows what it has written, and no more.
    let given = given.again().await;
    assert_eq!(given.records.subscribe_from(revision, noting(&told)), Err(TooOld { from: revision }));
    given.records.subscribe_from(now, noting(&told)).unwrap();
}

/// Between a look and a subscription nothing is lost, and nothing comes twice.
#[apply(on_each_storage!)]
async fn what_was_read_and_what_is_told_are_all_there_is() {
    const WRITERS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    let each = rounds(50, 500);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let records = records.clone();
        writers.spawn(async move {
            for n in 0..each {
                insert(&records, &format!("w{writer}-{n}")).await;
            }
        });
    }
    let mut looks = Vec::new();
    while looks.len() < 20 {
        let (read, revision) = {
            let at = records.at();
            let all = at.scan(&Workspace::all()).map(|found| found.unwrap().name.0.to_string());
            (all.collect::<Vec<_>>(), at.revision())
        };
        tokio::task::yield_now().await;
        let told = Arc::new(Mutex::new(read));
        records.subscribe_from(revision, noting(&told)).unwrap();
        looks.push(told);
    }
    writers.join_all().await;
    let all: BTreeSet<_> = (0..WRITERS).flat_map(|writer| (0..each).map(move |n| format!("w{writer}-{n}"))).collect();
    for told in looks {
        let told = told.lock().unwrap();
        assert_eq!(told.len(), all.len());
        assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), all);
    }
}

#[apply(on_each_storage!)]
async fn what_is_too_old_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    insert(records, "a").await;
    let revision = records.at().revision();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    // More bytes than are kept.
    for n in 0..300 {
        let large = Workspace { labels: large_labels(), ..workspace(&format!("w{n}"), 1) };
        records.commit(Change::default().insert(&large)).await.unwrap();
        if n == 10 {
            records.subscribe_from(revision, noting(&told)).unwrap();
        }
    }
    assert_eq!(told.lock().unwrap().len(), 300);
    assert_eq!(records.subscribe_from(revision, noting(&told)), Err(TooOld { from: revision }));
    assert_eq!(told.lock().unwrap().len(), 300, "and nothing of it is told");
    let near = records.at().revision() - 10;
    records.subscribe_from(near, noting(&told)).unwrap();
    assert_eq!(told.lock().unwrap().len(), 310);
}

/// Others are faster each time.
#[apply(on_directory!)]
#[allow(clippy::disallowed_methods, reason = "a thread that may wait for another")]
async fn a_change_that_never_comes_through_ends() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    insert(records, "a").await;
    let (ask, asked) = mpsc::channel::<mpsc::Sender<()>>();
    let (others, runtime) = (records.clone(), tokio::runtime::Handle::current());
    let other = std::thread::spawn(move || {
        for answer in asked {
            runtime.block_on(async {
                let seen = others.get(&Workspace::at(&"a".parse().unwrap())).unwrap().unwrap();
                let next = Workspace { revision: seen.revision + 1, ..seen.record.clone() };
                others.commit(Change::default().replace(&seen, &next)).await.unwrap();
            });
            answer.send(()).unwrap();
        }
    });
    let (mine, runtime) = (records.clone(), tokio::runtime::Handle::current());
    let change = tokio::task::spawn_blocking(move || {
        let mut decided = 0;
        let decide = || {
            decided += 1;
            let seen = mine.get(&Workspace::at(&"a".parse().unwrap()))?.unwrap();
            let (answer, answered) = mpsc::channel();
            ask.send(answer).unwrap();
            answered.recv().unwrap();
            Ok((Change::default().replace(&seen, &seen.record), ()))
        };
        let made = runtime.block_on(mine.change(decide));
        (made, decided)
    });
    let (made, decided) = change.await.unwrap();
    other.join().unwrap();
    let Err(error) = made else { panic!("it came through") };
    assert!(matches!(error, Error::Contended { attempts } if attempts == decided), "{error:?}, {decided}");
    assert!(error.is_transient());
    assert_eq!(records.get(&Workspace::at(&"a".parse().unwrap())).unwrap().unwrap().revision, 1 + decided as u64);
}
