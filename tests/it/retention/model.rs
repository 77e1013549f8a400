//! Any course of writes, moves in time, jumps of the clock, snapshots, restores
//! and restarts leaves what a plain map says (**D2**, **R4**).

mod given;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, test_runner::Config};
use stillframe::pb::write_result::Status;

use super::{HOUR, MINUTE, interval};
use crate::support::{Doc, Root, rounds, size_of};

/// Time moves in slots of ten minutes; documents happen in the middle of one, so
/// no edge is near.
const SLOT: i64 = 10 * MINUTE;
/// The retention.
const KEPT: i64 = 32 * 6;

#[derive(Clone, Copy, Debug)]
enum Change {
    /// So many slots before the present one, or ahead of it.
    Put {
        id: u8,
        ago: i64,
        n: i32,
        create_only: bool,
    },
    Increment {
        id: u8,
        by: i32,
    },
    Delete {
        id: u8,
    },
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Change>),
    Pass(i64),
    Snapshot,
    /// The snapshot with this number, more or less; then goes on with the copy.
    Restore(usize, bool),
    Restart,
}

/// A collection.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Those that have not been dropped: when they happened, and what they say.
    documents: BTreeMap<String, (i64, i64)>,
    offset: i64,
    /// Written since the last snapshot.
    changed: BTreeSet<String>,
    /// What deletes since then are billed.
    deleted: i64,
}

/// The present: full hours and slots.
#[derive(Clone, Copy, Debug)]
struct Now {
    hour: i64,
    slot: i64,
}

impl Now {
    /// When the slot before the present one, by so many, was half over.
    fn ago(self, slots: i64) -> i64 {
        self.hour + 30 * MINUTE + (self.slot - slots) * SLOT - SLOT / 2
    }

    fn cutoff(self) -> i64 {
        self.hour + 30 * MINUTE + (self.slot - KEPT) * SLOT
    }

    fn accepts(self, time: i64) -> bool {
        time > self.cutoff() && time < self.cutoff() + KEPT * SLOT + HOUR
    }
}

/// Ids of different lengths.
fn name(id: u8) -> String {
    format!("{}{id}", "é".repeat(usize::from(id) % 4))
}

fn body(n: i64) -> String {
    format!(r#"{{"n":{n}}}"#)
}

impl Model {
    /// What becomes of a write.
    fn apply(&mut self, change: Change, now: Now) -> Status {
        let (Change::Put { id, .. } | Change::Increment { id, .. } | Change::Delete { id }) = change;
        let id = name(id);
        let found = self.documents.get(&id).copied().filter(|(time, _)| *time > now.cutoff());
        let status = match (change, found) {
            (Change::Put { create_only: true, .. }, Some(_)) => Status::Unspecified,
            (Change::Put { ago, .. }, _) if !now.accepts(now.ago(ago)) => Status::Unspecified,
            (Change::Put { ago, n, .. }, _) => {
                self.documents.insert(id.clone(), (now.ago(ago), n.into()));
                if found.is_some() { Status::Replaced } else { Status::Added }
            }
            (_, None) => Status::NotFound,
            (Change::Increment { by, .. }, Some((time, n))) => {
                self.documents.insert(id.clone(), (time, n + i64::from(by)));
                Status::Patched
            }
            (Change::Delete { .. }, Some(_)) => {
                self.documents.remove(&id);
                self.deleted += i64::try_from(id.len()).unwrap();
                Status::Deleted
            }
        };
        match status {
            Status::Unspecified | Status::NotFound => {}
            // It writes nothing.
            Status::Patched if matches!(change, Change::Increment { by: 0, .. }) => {}
            Status::Deleted => {
                self.changed.remove(&id);
                self.offset += 1;
            }
            _ => {
                self.changed.insert(id);
                self.offset += 1;
            }
        }
        status
    }

    /// Whole intervals go.
    fn drop_expired(&mut self, now: Now) {
        self.documents.retain(|_, (time, _)| interval(*time) >= interval(now.cutoff()));
        self.changed.retain(|id| self.documents.contains_key(id));
    }

    fn docs(&self) -> Vec<Doc> {
        self.documents.iter().map(|(id, (time, n))| Doc::new(id, *time, body(*n))).collect()
    }

    fn size_bytes(&self) -> i64 {
        self.docs().iter().map(Doc::size).sum()
    }

    /// What a snapshot bills: the net change.
    fn cut(&mut self) -> i64 {
        let changed = self.documents.iter().filter(|(id, _)| self.changed.contains(*id));
        let bytes: i64 = changed.map(|(id, (_, n))| size_of(id, &body(*n))).sum();
        let bill = (bytes + self.deleted).clamp(0, self.size_bytes());
        self.changed.clear();
        self.deleted = 0;
        bill
    }

    /// What a restore makes of it.
    fn restored(&self, now: Now) -> Self {
        let mut restored = Self { offset: self.offset, ..Self::default() };
        restored.documents = self.documents.clone();
        restored.documents.retain(|_, (time, _)| *time > now.cutoff());
        restored.changed = restored.documents.keys().cloned().collect();
        restored
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let id = || 0..8_u8;
    // Mostly in the window, at its edges, and a little beyond them.
    let ago = prop_oneof![4 => 0..KEPT, 2 => KEPT - 8..KEPT + 2, 1 => -8..2_i64];
    prop_oneof![
        6 => (id(), ago, any::<i32>(), prop::bool::weighted(0.2))
            .prop_map(|(id, ago, n, create_only)| Change::Put { id, ago, n, create_only }),
        1 => (id(), any::<i32>()).prop_map(|(id, by)| Change::Increment { id, by }),
        1 => id().prop_map(|id| Change::Delete { id }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => vec(any_change(), 1..8).prop_map(Step::Write),
        6 => prop_oneof![6 => 1..4_i64, 3 => 4..40_i64, 1 => 40..KEPT + 20].prop_map(Step::Pass),
        2 => Just(Step::Snapshot),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(which, full)| Step::Restore(which, full)),
        1 => Just(Step::Restart),
    ]
}

/// What it looks for is the same on both; on S3 each step takes ten times as long.
#[test]
fn any_course_of_time_leaves_what_the_model_says() {
    any_course(Root::Directory, rounds(3, 30));
}

#[cfg(feature = "s3")]
#[test]
fn any_course_of_time_on_s3_leaves_what_the_model_says() {
    any_course(Root::S3, rounds(1, 10));
}

fn any_course(root: Root, cases: u32) {
    let config = Config { cases, max_shrink_iters: 60, ..Config::default() };
    proptest!(config, |(steps in vec(any_step(), 60..120))| {
        root.run(Box::pin(run::run(&steps)));
    });
}
