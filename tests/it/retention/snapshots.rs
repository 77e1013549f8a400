//! Snapshots of a collection that is losing documents: each is before a drop or
//! after it, bills what is left, and keeps what it has (**S1**, **S2**).

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use stillframe::pb::{self, write_result::Status as Became};

use super::{Retained, counted, sweep::dropped, totals, visible};
use crate::support::{Doc, Totals, collection_name, delete, eventually, micros, rounds};

/// Changes the collection, so that no snapshot can reuse the one before.
pub fn tick(time: i64, n: usize) -> Doc {
    Doc::new("tick", time, format!(r#"{{"tick":{n}}}"#))
}

/// How many of the snapshots taken under drops are restored, at most.
const RESTORED: usize = 15;

#[apply(on_each_storage!)]
async fn a_snapshot_is_before_a_drop_or_after_it_never_between() {
    let passes = i64::from(rounds(10, 30));
    let mut given = Retained::start_with(|config| config.sweep_every = Duration::from_millis(3)).await;
    let docs = given.spread();
    given.write(&docs).await;
    given.write(&[tick(given.hour, 0)]).await;
    let (hour, clock, mut collections) = (given.hour, given.server.clock.clone(), given.server.collections.clone());
    let (done, created, mut taken) = (AtomicBool::new(false), AtomicUsize::new(0), Vec::new());
    let passing = async {
        let mut documents = async || {
            let request = pb::GetCollectionRequest { name: collection_name("c") };
            collections.get_collection(request).await.unwrap().into_inner().stats.unwrap().document_count
        };
        for pass in 1..=passes {
            let before = documents().await;
            clock.advance(Duration::from_hours(1));
            eventually("an interval is dropped", async || documents().await < before).await;
            // Now and then time waits, or a slow machine would take all between two
            // drops. For two: the first may have been cut before this one.
            if pass % (passes / 5) == 0 {
                let enough = created.load(SeqCst) + 2;
                eventually("snapshots are taken", async || created.load(SeqCst) >= enough).await;
            }
        }
        done.store(true, SeqCst);
    };
    let taking = async {
        while !done.load(SeqCst) {
            let n = taken.len();
            given.server.write("c", vec![tick(hour, n).write()]).await;
            taken.push(given.server.given_snapshot("c", &format!("s{n}")).await);
            created.fetch_add(1, SeqCst);
        }
    };
    tokio::join!(taking, passing);

    // Behind the clock's back: otherwise a restore would drop the same again.
    let mut given = given.reopen_with(|_| {}).await;
    let mut states = BTreeSet::new();
    for (n, snapshot) in taken.iter().enumerate() {
        let held = |hours| [counted(&docs, given.cutoff_after(hours)), vec![tick(hour, n)]].concat();
        let state = (0..=passes).find(|hours| Totals::frozen(snapshot) == totals(&held(*hours)));
        let state = state.unwrap_or_else(|| panic!("{snapshot:?} is between two drops"));
        let held = held(state);
        states.insert(state);
        // A quick machine takes more than need be read back.
        if n % taken.len().div_ceil(RESTORED) != 0 {
            continue;
        }
        let restored = format!("r{n}");
        let receipt = given.server.given_restore(&format!("s{n}"), &restored).await.receipt.unwrap();
        let expected = visible(&held, micros(receipt.cutoff_time.as_ref()));
        assert_eq!(given.server.read_all(&restored).await, expected, "{n}");
        assert_eq!(Totals::kept(&given.server.stats(&restored).await), totals(&expected), "{n}");
        // Three an hour.
        let left_out = held.len() - expected.len();
        assert!(left_out <= 5, "what shares an interval with the cutoff, and one that waited for the sweep");
    }
    assert!(states.len() > 3, "{states:?}");
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_keeps_what_the_collection_has_dropped() {
    let mut given = Retained::start_with(|config| config.tuning.idle_close = Duration::from_millis(100)).await;
    let docs = super::sweep::bulky(&given);
    given.write(&docs).await;
    let monday = given.server.given_snapshot("c", "monday").await;
    let kept = given.server.data_bytes(&given.uid);
    given.pass(40);
    dropped(&mut given.server, "c", &[], 0).await;
    let ids = given.server.files(&given.uid).join("ids.filter");
    eventually("the collection is closed and collected", async || ids.exists()).await;
    assert!(given.server.data_bytes(&given.uid) >= kept);

    // Were it Monday again, all would be there.
    let mut given = given.reopen_with(|config| config.tuning.idle_close = Duration::from_millis(100)).await;
    let ended = given.server.given_restore("monday", "again").await.receipt.unwrap();
    assert_eq!((ended.documents_dropped, &ended.digest), (0, &monday.digest));
    assert_eq!(given.server.read_all("again").await, visible(&docs, 0));
    assert!(given.server.read_all("c").await.is_empty(), "the cutoff of the source never moves back");
    given.server.delete_snapshot("monday").await.unwrap();
    eventually("its files go", async || given.server.data_bytes(&given.uid) < kept / 4).await;
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_snapshot_behind_a_drop_does_not_reuse_the_one_before_it() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    let first = given.server.given_snapshot("c", "first").await;
    let same = given.server.given_snapshot("c", "same").await;
    assert_eq!((same.incremental_bytes, same.new_file_bytes), (0, given.server.own_bytes(&same.uid)));
    for passed in [1, 12, 40] {
        given.pass(passed);
        let cutoff = given.cutoff_after(passed);
        dropped(&mut given.server, "c", &docs, cutoff).await;
        let later = given.server.given_snapshot("c", &format!("s{passed}")).await;
        assert_eq!(Totals::frozen(&later), totals(&counted(&docs, cutoff)));
        assert_eq!((later.offset, later.incremental_bytes), (first.offset, 0));
        let restored = given.server.given_restore(&format!("s{passed}"), &format!("r{passed}")).await;
        let expected = visible(&docs, cutoff);
        assert_eq!(restored.receipt.unwrap().digest, totals(&expected).digest);
        assert_eq!(given.server.read_all(&format!("r{passed}")).await, expected);
    }
    assert_eq!(Totals::frozen(&given.server.get_snapshot("first").await.unwrap()), totals(&docs));
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn what_was_dropped_since_the_last_snapshot_is_not_billed() {
    let mut given = Retained::start().await;
    let [old, new] = [given.ago(31, 0), given.ago(1, 0)];
    let doc = |id: &str, time: i64, bytes: usize| Doc::new(id, time, crate::documents::body_of(bytes));
    let (kept, over) = (doc("kept", new, 1000), doc("over", old, 2000));
    given.write(&[kept.clone(), over.clone(), doc("moved", old, 500)]).await;
    let first = given.server.given_snapshot("c", "first").await;
    assert_eq!(first.incremental_bytes, first.size_bytes);

    let moved = doc("moved", new, 600);
    given.write(&[doc("over", old, 2500), doc("brief", old, 4000), doc("fresh", new, 300), moved.clone()]).await;
    given.write(&[doc("over", old, 2600), doc("gone", old, 50)]).await;
    assert_eq!(given.server.statuses(vec![delete("gone")]).await, [Became::Deleted]);
    given.pass(3);
    let left = [kept, doc("fresh", new, 300), moved];
    dropped(&mut given.server, "c", &left, 0).await;
    let second = given.server.given_snapshot("c", "second").await;
    let deleted = i64::try_from("gone".len()).unwrap();
    assert_eq!(second.incremental_bytes, left[1].size() + left[2].size() + deleted);
    assert_eq!(Totals::frozen(&second), totals(&left));

    // An empty interval is no debt: what follows is billed as ever.
    let last = doc("last", new, 700);
    given.write(std::slice::from_ref(&last)).await;
    assert_eq!(given.server.given_snapshot("c", "third").await.incremental_bytes, last.size());
    given.stop().await;
}

#[apply(on_each_storage!)]
async fn a_restored_collection_bills_what_it_has_left() {
    let mut given = Retained::start().await;
    let docs = given.spread();
    given.write(&docs).await;
    given.server.given_snapshot("c", "first").await;
    given.pass(10);
    given.server.given_restore("first", "again").await;
    let restored = visible(&docs, given.cutoff_after(10));
    given.pass(20);
    let cutoff = given.cutoff_after(20);
    dropped(&mut given.server, "again", &restored, cutoff).await;
    let snapshot = given.server.given_snapshot("again", "second").await;
    assert_eq!(Totals::frozen(&snapshot), totals(&counted(&restored, cutoff)));
    assert_eq!(snapshot.incremental_bytes, snapshot.size_bytes, "all of it for the first");
    given.stop().await;
}
