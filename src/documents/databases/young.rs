//! The second lock on files: manifests, lists of merges and logs are collected only when
//! they are old enough, whatever the clocks say.
//!
//! Storage says by its own clock when an object was written. Held against a clock that
//! is ahead, every one is old; so an open database counts the time that it has seen
//! pass itself. Files with documents are left to SlateDB: their names have the time by
//! the same clock that they are held against.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use slatedb::{GcFilter, ObjectMetadata, object_store::path::Path};
use tokio::time::Instant;

use super::keep::Keep;
use crate::clock::Clock;

/// A look may come a little early.
const EARLY: Duration = Duration::from_secs(1);

/// How the age of an object is known.
#[derive(Debug)]
pub enum Age {
    /// It has been in nobody's use for so long, or for as long as its number must be
    /// taken if that is longer.
    Seen(Duration),
    /// There is one look only: it was written so long before the time that is believed,
    /// and that the machine says.
    By(Clock),
}

/// Leaves alone what is young, and what [`Keep`] keeps.
#[derive(Debug)]
pub struct Young {
    keep: Arc<Keep>,
    age: Age,
    number_taken: Duration,
    seen: Mutex<HashMap<Path, Instant>>,
}

/// What an object is, by the directory that it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Documents,
    Log,
    Manifest,
    Merges,
}

impl Kind {
    /// Whether its number may not be used again for a while.
    fn is_numbered(self) -> bool {
        matches!(self, Self::Manifest | Self::Merges)
    }
}

impl Young {
    /// Lets go of what is not kept and is of an age; of what has a number that is taken for
    /// so long.
    #[must_use]
    pub fn new(keep: Arc<Keep>, age: Age, number_taken: Duration) -> Arc<Self> {
        Arc::new(Self { keep, age, number_taken, seen: Mutex::default() })
    }

    /// Whether nobody has used it for long enough.
    fn is_old(&self, candidate: &ObjectMetadata, seen: &HashMap<Path, Instant>) -> bool {
        let kind = kind(&candidate.location);
        if kind == Kind::Documents {
            return true;
        }
        match &self.age {
            Age::Seen(min_age) => {
                let min_age = if kind.is_numbered() { self.number_taken.max(*min_age) } else { *min_age };
                seen.get(&candidate.location).is_some_and(|since| since.elapsed() + EARLY >= min_age)
            }
            Age::By(_) if kind == Kind::Log => true,
            Age::By(clock) => {
                let now = chrono::DateTime::from_timestamp_micros(clock.now().min(clock.wall()));
                let age = now.and_then(|now| (now - candidate.last_modified).to_std().ok());
                age.is_some_and(|age| age >= self.number_taken)
            }
        }
    }
}

fn kind(path: &Path) -> Kind {
    match path.parts().rev().nth(1).as_ref().map(AsRef::as_ref) {
        Some("wal") => Kind::Log,
        Some("manifest") => Kind::Manifest,
        Some("compactions") => Kind::Merges,
        _ => Kind::Documents,
    }
}

#[async_trait]
impl GcFilter for Young {
    /// All candidates are of one kind.
    async fn filter(&self, candidates: HashSet<ObjectMetadata>) -> HashSet<ObjectMetadata> {
        let mut candidates = self.keep.filter(candidates).await;
        let Some(kind) = candidates.iter().next().map(|first| kind(&first.location)) else { return candidates };
        let mut seen = self.seen.lock();
        if matches!(self.age, Age::Seen(_)) && kind != Kind::Documents {
            let present: HashSet<&Path> = candidates.iter().map(|candidate| &candidate.location).collect();
            seen.retain(|path, _| self::kind(path) != kind || present.contains(path));
            for path in present {
                seen.entry(path.clone()).or_insert_with(Instant::now);
            }
        }
        candidates.retain(|candidate| self.is_old(candidate, &seen));
        candidates
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::{clock::Micros, documents::databases::keep::always_alone};

    const MINUTE: Micros = 60_000_000;
    const NUMBER_TAKEN: Duration = Duration::from_secs(60);

    fn object(path: &str, written: Micros) -> ObjectMetadata {
        ObjectMetadata {
            location: Path::from(format!("collections/x/{path}")),
            last_modified: DateTime::<Utc>::from_timestamp_micros(written).unwrap(),
            size: 1,
            e_tag: None,
            version: None,
        }
    }

    /// Of a database that has been compared: nothing is kept for anybody.
    fn young(age: Age) -> Arc<Young> {
        let keep = Arc::new(Keep::new(always_alone()));
        keep.trust();
        keep.complete();
        Young::new(keep, age, NUMBER_TAKEN)
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_database_counts_the_time_itself() {
        let young = young(Age::Seen(Duration::from_secs(10)));
        // Long ago, by a clock that says so.
        let manifest: HashSet<_> = [object("manifest/00000000000000000001.manifest", 0)].into();
        let log: HashSet<_> = [object("wal/00000000000000000001.sst", 0)].into();
        assert!(young.filter(manifest.clone()).await.is_empty());
        assert!(young.filter(log.clone()).await.is_empty());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(young.filter(log.clone()).await, log);
        assert!(young.filter(manifest.clone()).await.is_empty(), "its number is taken for longer");
        tokio::time::advance(NUMBER_TAKEN).await;
        assert_eq!(young.filter(manifest.clone()).await, manifest);
        let file: HashSet<_> = [object("compacted/00000000000000000000000000.sst", 0)].into();
        assert_eq!(young.filter(file.clone()).await, file);

        // What is needed again meanwhile is young again.
        let other: HashSet<_> = [object("manifest/00000000000000000002.manifest", 0)].into();
        assert!(young.filter(other).await.is_empty());
        assert!(young.filter(manifest).await.is_empty());
    }

    /// A collection that changes has some of all kinds to be collected, each time.
    #[tokio::test(start_paused = true)]
    async fn a_look_at_one_kind_leaves_the_time_of_the_others() {
        let young = young(Age::Seen(Duration::from_secs(10)));
        let paths = ["manifest/00000000000000000001.manifest", "compactions/00000000000000000001.compactions"];
        let [manifest, merges, log]: [HashSet<_>; 3] =
            [paths[0], paths[1], "wal/00000000000000000001.sst"].map(|path| [object(path, 0)].into());
        for round in 0..3 {
            for candidates in [&manifest, &merges, &log] {
                assert_eq!(young.filter(candidates.clone()).await.len(), usize::from(round == 2), "{candidates:?}");
            }
            // Half of what a number is taken for; the log has only the first of it.
            let step = if round == 0 { 5 } else { 55 };
            tokio::time::advance(Duration::from_secs(step)).await;
        }
    }

    #[tokio::test]
    async fn one_look_goes_by_the_earlier_of_two_clocks() {
        let clock = Clock::default();
        let path = "manifest/00000000000000000001.manifest";
        let (old, new) = (object(path, clock.wall() - 2 * MINUTE), object(path, clock.wall()));
        let young = young(Age::By(clock.clone()));
        assert_eq!(young.filter([old.clone()].into()).await.len(), 1);
        for by in [0, 10 * MINUTE, -10 * MINUTE] {
            clock.jump(by);
            assert!(young.filter([new.clone()].into()).await.is_empty(), "by {by}");
            clock.jump(-by);
        }
    }
}
