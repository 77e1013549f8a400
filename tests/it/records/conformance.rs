//! What the records promise, on each kind of storage.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    sync::{Arc, Mutex},
};

use stillframe::{
    app::{Config, open_records},
    clock::{Clock, new_uid},
    documents::Totals,
    error::{Error, Kind},
    names::{Id, SnapshotName},
    records::{
        Change, Collection, CommitError, Contents, Follower, Holder, IndexState, Log, Manifest, Opening, Policy,
        Record, Records, Snapshot, SnapshotState, Workspace,
    },
    tasks::Tasks,
    workspace::Room,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Loopback, Random, config_on_storage, eventually, rounds};

const WRITERS: usize = 16;

type StoredWorkspace = <Workspace as Record>::Message;
type StoredCollection = <Collection as Record>::Message;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

/// Records under a root of their own, and the instance that the root is of.
pub struct Given {
    pub records: Records,
    pub config: Config,
    /// Goes on for as long as it is held.
    pub bucket: Option<Loopback>,
}

impl Given {
    pub async fn new(dir: &Path) -> Self {
        Self::with(dir, Policy::default()).await
    }

    pub async fn with(dir: &Path, log_policy: Policy) -> Self {
        let (mut config, loopback) = config_on_storage(dir).await;
        config.log_policy = log_policy;
        let records = open(&config).await;
        Self { records, config, bucket: loopback }
    }

    /// The log, as another node would find it.
    pub async fn log(&self) -> Log {
        let root = stillframe::documents::Root::open(&self.config.storage()).await.unwrap();
        let marker = root.get(&"stillframe.json".into()).await.unwrap().unwrap();
        let marker: serde_json::Value = serde_json::from_slice(&marker).unwrap();
        Log::new(root, marker["uid"].as_str().unwrap().parse().unwrap())
    }

    /// The same records, opened anew.
    pub async fn again(self) -> Self {
        let Self { records, config, bucket } = self;
        drop(records);
        let records = open(&config).await;
        Self { records, config, bucket }
    }

    /// The same, when somebody else has them, too.
    pub async fn again_with(self, others: Records) -> Self {
        drop(others);
        self.again().await
    }
}

pub async fn open(config: &Config) -> Records {
    let mut opened = None;
    eventually("the records can be opened", async || {
        opened = open_records(config, &Clock::default(), &Tasks::default()).await.ok();
        opened.is_some()
    })
    .await;
    opened.unwrap().records
}

pub fn workspace(id: &str, revision: u64) -> Workspace {
    let uid = new_uid().as_bytes().to_vec();
    let message = StoredWorkspace { id: id.to_owned(), uid, revision, ..StoredWorkspace::default() };
    Workspace::read(message).unwrap()
}

fn at(records: &Records, id: &str) -> Option<u64> {
    records.get(&Workspace::at(&id.parse().unwrap())).unwrap().map(|found| found.revision)
}

fn refused(outcome: Result<(), CommitError>) {
    assert!(matches!(outcome, Err(CommitError::Conflict)), "{outcome:?}");
}

#[apply(on_each_storage!)]
async fn a_change_is_made_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    records.commit(Change::default().insert(&workspace("a", 1))).await.unwrap();
    let seen = records.get(&Workspace::at(&id("a"))).unwrap().unwrap();
    refused(records.commit(Change::default().insert(&workspace("b", 1)).insert(&workspace("a", 2))).await);
    assert_eq!((at(records, "a"), at(records, "b")), (Some(1), None));
    let next = Workspace { revision: 2, ..seen.record.clone() };
    records.commit(Change::default().insert(&workspace("b", 1)).replace(&seen, &next)).await.unwrap();
    assert_eq!((at(records, "a"), at(records, "b")), (Some(2), Some(1)));
    // What was read before that is no longer so.
    refused(records.commit(Change::default().replace(&seen, &next)).await);
    refused(records.commit(Change::default().remove(&seen).insert(&workspace("c", 1))).await);
    refused(records.commit(Change::default().require(&seen).insert(&workspace("c", 1))).await);
    refused(records.commit(Change::default().require_any(Workspace::at(&id("d"))).insert(&workspace("c", 1))).await);
    let revision = records.revision();
    records.commit(Change::default().require(&seen)).await.unwrap();
    assert_eq!((at(records, "c"), records.revision()), (None, revision), "nothing to write is no change");
    let change = Change::default()
        .require_any(Workspace::at(&id("a")))
        .forget(Workspace::at(&id("b")))
        .insert(&workspace("c", 1));
    records.commit(change).await.unwrap();
    assert_eq!((at(records, "b"), at(records, "c")), (None, Some(1)));
}

/// A change that is made while a decision looks at what it changes.
fn made_meanwhile(records: &Records, change: Change) {
    let made = tokio::runtime::Handle::current().block_on(records.commit(change));
    made.unwrap();
}

#[apply(on_each_storage!)]
async fn a_refusal_is_of_records_that_were_there_together() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = given.records.clone();
    // Two records that are there both or not at all.
    let both = || Change::default().insert(&workspace("a", 1)).insert(&workspace("b", 1));
    let decide = move || {
        let (mut times, mut first) = (0, None);
        let seen = records.decide(|| {
            times += 1;
            let a = at(&records, "a");
            if times == 1 {
                made_meanwhile(&records, both());
            }
            first = first.or(Some((a, at(&records, "b"))));
            match (a, at(&records, "b")) {
                (None, Some(_)) => Err(Error::internal("one without the other")),
                there => Ok(there),
            }
        });
        assert_eq!((first, seen.unwrap(), times), (Some((None, Some(1))), (Some(1), Some(1)), 2));
        // What is refused of records that stay is refused at once, and what is granted counts
        // though they change: the commit compares.
        times = 0;
        let refused = records.decide(|| {
            times += 1;
            Err::<(), _>(Error::internal("no"))
        });
        assert_eq!((refused.is_err(), times), (true, 1));
        let granted = records.decide(|| {
            times += 1;
            made_meanwhile(&records, Change::default().insert(&workspace("c", 1)));
            Ok(())
        });
        assert_eq!((granted.is_ok(), times), (true, 2));
    };
    Tasks::default().blocking("decide", decide).await.unwrap();
}

#[apply(on_each_storage!)]
async fn every_change_of_one_record_is_made_once_and_told_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    records.commit(Change::default().insert(&workspace("a", 0))).await.unwrap();
    let told: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let telling = Arc::clone(&told);
    records.subscribe(move |before: Option<&Workspace>, after: Option<&Workspace>| {
        let (before, after) = (before.unwrap(), after.unwrap());
        telling.lock().unwrap().push((before.revision, after.revision));
    });
    let each = u64::from(rounds(5, 50));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (records, told) = (records.clone(), Arc::clone(&told));
        writers.spawn(async move {
            for _ in 0..each {
                let change = || {
                    let seen = records.get(&Workspace::at(&id("a")))?.unwrap();
                    let next = Workspace { revision: seen.revision + 1, ..seen.record.clone() };
                    Ok((Change::default().replace(&seen, &next), next.revision))
                };
                let made = records.change(change).await.unwrap();
                let is_told = told.lock().unwrap().iter().any(|(_, after)| *after == made);
                assert!(is_told, "a change is told before its caller has the answer");
                assert!(at(&records, "a") >= Some(made), "and can be read");
            }
        });
    }
    writers.join_all().await;
    let expected: Vec<_> = (0..each * WRITERS as u64).map(|n| (n, n + 1)).collect();
    assert_eq!(*told.lock().unwrap(), expected);
    let given = given.again().await;
    assert_eq!(at(&given.records, "a"), Some(each * WRITERS as u64));
}

fn collection(workspace: &str, id: usize) -> Collection {
    let message = StoredCollection {
        workspace: workspace.to_owned(),
        id: format!("c{id}"),
        uid: new_uid().as_bytes().to_vec(),
        // READY.
        state: 2,
        ..StoredCollection::default()
    };
    Collection::read(message).unwrap()
}

#[apply(on_each_storage!)]
async fn no_more_are_made_than_there_is_room_for() {
    const LIMIT: usize = 7;
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    let mut writers = JoinSet::new();
    for n in 0..4 * WRITERS {
        let records = records.clone();
        writers.spawn(async move {
            let change = || {
                let term = Collection::in_workspace(&id("w"));
                let parent = "w".to_owned();
                let room = Room { kind: Kind::Collection, parent, limit: LIMIT, term: &term, after: None };
                Ok((room.check(Change::default().insert(&collection("w", n)), &records)?, ()))
            };
            records.change(change).await
        });
    }
    let outcomes = writers.join_all().await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((made, records.count(&Collection::in_workspace(&id("w")))), (LIMIT, LIMIT));
    let mut others = outcomes.into_iter().filter_map(Result::err);
    assert!(others.all(|error| matches!(error, Error::TooMany { .. })));
    // One that goes makes room for one that comes in the same change.
    let gone = records.find(&Collection::in_workspace(&id("w"))).unwrap().remove(0);
    let limited = |change: Change| change.at_most(LIMIT, &Collection::in_workspace(&id("w")), None);
    refused(records.commit(limited(Change::default().insert(&collection("w", 1000)))).await);
    records.commit(limited(Change::default().insert(&collection("w", 1000)).remove(&gone))).await.unwrap();
}

#[apply(on_each_storage!)]
async fn nothing_is_made_in_what_goes_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).await;
    let records = &given.records;
    for round in 0..rounds(10, 100) {
        let name = format!("w{round}");
        let id = id(&name);
        records.commit(Change::default().insert(&workspace(&name, 1))).await.unwrap();
        let seen = records.get(&Workspace::at(&id)).unwrap().unwrap();
        let (within, gone) = (Collection::in_workspace(&id), Change::default().remove(&seen));
        let create = Change::default().insert(&collection(&name, 0)).require_any(Workspace::at(&id));
        let (created, deleted) = tokio::join!(records.commit(create), records.commit(gone.at_most(0, &within, None)));
        assert!(created.is_ok() != deleted.is_ok(), "{created:?}, {deleted:?}");
        assert_eq!(at(records, &name).is_some(), records.count(&within) == 1);
    }
}

/// Any of some snapshots, in any state.
fn any_snapshot(random: &mut Random) -> Snapshot {
    let states = [
        SnapshotState::Requested,
        SnapshotState::Created,
        SnapshotState::Failed,
        SnapshotState::Expired,
        SnapshotState::Deleted,
    ];
    let mut below = |end: u64| i64::try_from(random.below(end)).unwrap();
    let state = states[usize::try_from(below(5)).unwrap()];
    let uid = Uuid::from_u128(u128::try_from(below(30)).unwrap());
    let contents = Contents {
        snapshot_time: below(100),
        totals: Totals::default(),
        incremental_bytes: 0,
        referenced_bytes: 0,
        new_file_bytes: 0,
        file_count: 0,
        manifest: Manifest { id: below(100).unsigned_abs(), holder: Holder::Checkpoint(uid), file_list_hash: None },
        own_bytes: 0,
    };
    Snapshot {
        name: SnapshotName {
            workspace: id(&format!("w{}", uid.as_u128() % 2)),
            id: id(&format!("s-{}", uid.as_u128() % 10)),
        },
        uid,
        collection: id("c"),
        collection_uid: Uuid::from_u128(u128::try_from(below(3)).unwrap()),
        description: String::new(),
        labels: BTreeMap::new(),
        created_by: String::new(),
        create_time: below(100),
        update_time: 0,
        revision: 1,
        state,
        error: None,
        expire_time: below(100),
        contents: Some(contents).filter(|_| !matches!(state, SnapshotState::Requested | SnapshotState::Failed)),
        end_time: Some(below(100)).filter(|time| *time > 0),
        released: !matches!(state, SnapshotState::Requested | SnapshotState::Created) && below(2) == 0,
    }
}

/// Every index of snapshots says what a look at all of them says.
fn check_indexes(records: &Records, what: &str) {
    let all: Vec<_> = records.scan(&Snapshot::all()).map(|found| found.unwrap().record).collect();
    let sorted = |is: &dyn Fn(&Snapshot) -> bool, order: &dyn Fn(&Snapshot) -> i64| {
        let mut found: Vec<_> = all.iter().filter(|snapshot| is(snapshot)).cloned().collect();
        found.sort_by_key(|snapshot| (order(snapshot), format!("{:?}", snapshot.key())));
        found
    };
    let found = |term| records.find(&term).unwrap().into_iter().map(|found| found.record).collect::<Vec<_>>();
    let is_created = |snapshot: &Snapshot| snapshot.state == SnapshotState::Created;
    let expiring = sorted(&is_created, &|snapshot| snapshot.expire_time);
    assert_eq!(found(Snapshot::expiring()), expiring, "{what}");
    for time in [0, 17, 50, 99] {
        let until: Vec<_> = expiring.iter().filter(|snapshot| snapshot.expire_time <= time).cloned().collect();
        let found = records.find_until(&Snapshot::expiring(), time, usize::MAX).unwrap();
        assert_eq!(found.iter().map(|found| found.record.clone()).collect::<Vec<_>>(), until, "{what}");
        assert_eq!(records.count_after(&Snapshot::expiring(), time), expiring.len() - until.len(), "{what}");
    }
    for n in 0..3 {
        let of = Uuid::from_u128(n);
        let created =
            sorted(&|snapshot| is_created(snapshot) && snapshot.collection_uid == of, &|s| s.manifest_order());
        assert_eq!(found(Snapshot::created_of(of)), created, "{what}");
        let last = records.find_last(&Snapshot::created_of(of), |_| true).unwrap();
        assert_eq!(last.map(|found| found.record), created.last().cloned(), "{what}");
    }
    let released = sorted(&|snapshot| snapshot.released, &|snapshot| snapshot.end_time.unwrap_or(0));
    assert_eq!(found(Snapshot::released()), released, "{what}");
    let pending = sorted(&|s| !s.released && !is_created(s), &|snapshot| snapshot.create_time);
    assert_eq!(found(Snapshot::pending()), pending, "{what}");

    let mut names: Vec<_> = all.iter().map(|s| (s.name.to_string(), s.uid)).collect();
    names.sort();
    for (prefix, from) in [
        ("workspaces/", None),
        ("workspaces/w1/snapshots/", None),
        ("workspaces/w1/snapshots/", Some("workspaces/w1/snapshots/s-5")),
    ] {
        let is_asked = |name: &str| name.starts_with(prefix) && from.is_none_or(|from| name >= from);
        let expected: Vec<_> = names.iter().filter(|(name, _)| is_asked(name)).cloned().collect();
        let mut listed = Vec::new();
        let mut each = |s: Snapshot| {
            listed.push((s.name.to_string(), s.uid));
            ControlFlow::Continue(())
        };
        records.list(&Snapshot::by_name(), prefix, from, &mut each).unwrap();
        assert_eq!(listed, expected, "{what} {prefix} {from:?}");
    }
}

#[apply(on_each_storage!)]
async fn the_secondary_indexes_are_those_of_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let mut given = Given::new(dir.path()).await;
    let mut random = Random::seeded();
    for round in 0..rounds(3, 20) {
        for _ in 0..100 {
            let snapshot = any_snapshot(&mut random);
            let removed = random.below(4) == 0;
            let change = Change::default();
            let change = if removed { change.forget(snapshot.key()) } else { change.put(&snapshot) };
            given.records.commit(change).await.unwrap();
        }
        check_indexes(&given.records, &format!("round {round}"));
        given = given.again().await;
        check_indexes(&given.records, &format!("round {round}, opened again"));
        drop(given.records);
        std::fs::remove_dir_all(dir.path().join("metadata")).unwrap();
        given.records = open(&given.config).await;
        check_indexes(&given.records, &format!("round {round}, made anew"));
    }
}

#[apply(on_each_storage!)]
async fn a_follower_has_what_was_written() {
    const OFTEN: Policy = Policy { entries: 8, bytes: 1 << 20 };
    let dir = tempfile::tempdir().unwrap();
    let given = Given::with(dir.path(), OFTEN).await;
    let records = &given.records;
    let mut random = Random::seeded();
    let node: TempDir = tempfile::tempdir().unwrap();
    let tasks = Tasks::default();
    let mut follower = Follower::open(node.path(), given.log().await, &tasks).await.unwrap();
    for round in 0..rounds(6, 40) {
        // More than is kept before it looks again, now and then.
        for _ in 0..random.below(60) {
            records.commit(Change::default().put(&any_snapshot(&mut random))).await.unwrap();
        }
        eventually("the follower has caught up", async || follower.catch_up().await.unwrap() == records.revision())
            .await;
        let [there, here] = [follower.view(), (**records).clone()].map(|view| {
            let all = view.scan(&Snapshot::all()).map(|found| found.unwrap().record).collect::<Vec<_>>();
            (all, view.find(&Snapshot::expiring()).unwrap().len())
        });
        assert_eq!(there, here, "round {round}");
        if round % 2 == 1 {
            drop(follower);
            follower = Follower::open(node.path(), given.log().await, &tasks).await.unwrap();
        }
    }
}

#[apply(on_each_storage!)]
async fn who_was_overtaken_finds_out_without_writing() {
    const OFTEN: Policy = Policy { entries: 8, bytes: 1 << 20 };
    let dir = tempfile::tempdir().unwrap();
    let given = Given::with(dir.path(), OFTEN).await;
    let node = tempfile::tempdir().unwrap();
    given.records.commit(Change::default().insert(&workspace("a", 1))).await.unwrap();
    let log = given.log().await;
    let opening = Opening {
        data_dir: node.path(),
        index: IndexState::Missing,
        found: log.look().await.unwrap(),
        log,
        policy: OFTEN,
        clock: Clock::default(),
        tasks: Tasks::default(),
        may_have_rivals: true,
    };
    let other = stillframe::records::open(opening).await.unwrap();
    assert!(given.records.is_newest().await.unwrap() && other.is_newest().await.unwrap());
    // Behind one entry, and behind so many that those before them are collected.
    for n in 0..3 * OFTEN.entries {
        other.commit(Change::default().insert(&workspace(&format!("w{n}"), 1))).await.unwrap();
        assert!(!given.records.is_newest().await.unwrap(), "{n} behind");
        assert!(other.is_newest().await.unwrap(), "{n}");
    }
}
