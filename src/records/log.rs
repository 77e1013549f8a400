//! The log under the root: the objects, and what may be said of them.
//!
//! ```text
//! records/<revision>        one entry, created once, never changed
//! records/<revision>.base   all records as they were at that revision
//! ```

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::entry::{self, Tip};
use crate::{
    documents::{ObjectPath, Root},
    error::Error,
    stored::LogEntry,
};

/// Where the log is.
const FOLDER: &str = "records";
/// Digits of a revision in a name, so that names order as revisions do.
const DIGITS: usize = 20;
/// Entries that are read at once.
const READS_AT_ONCE: usize = 32;
/// Pauses between attempts to write an entry, while storage is away.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The log of one instance.
#[derive(Clone, Debug)]
pub struct Log {
    root: Root,
    instance: Uuid,
}

/// What was found of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The revisions that have a base.
    pub bases: BTreeSet<u64>,
    /// The revisions that have an entry.
    pub entries: BTreeSet<u64>,
}

impl Found {
    /// Whether there is no log.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bases.is_empty() && self.entries.is_empty()
    }

    /// The newest base.
    #[must_use]
    pub fn base(&self) -> Option<u64> {
        self.bases.last().copied()
    }

    /// The newest revision, if nothing is missing on the way to it.
    pub fn end(&self) -> Result<u64, Error> {
        let mut end = self.base().unwrap_or(0);
        for revision in self.entries.range(end + 1..) {
            if *revision != end + 1 {
                return Err(damaged(&entry_path(end + 1), "it is missing, and later ones are there"));
            }
            end = *revision;
        }
        Ok(end)
    }

    /// The oldest revision, before the first or of a base, behind which no entry is
    /// missing. From the newest base but one on, none may be; those before are removed,
    /// and only some of them are gone if that was cut short.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        let kept = self.bases.iter().rev().nth(1).or(self.bases.last()).copied().unwrap_or(0);
        let mut starts = std::iter::once(0).chain(self.bases.range(..kept).copied());
        let is_whole = |start: &u64| (start + 1..=kept).all(|revision| self.entries.contains(&revision));
        starts.find(is_whole).unwrap_or(kept)
    }
}

/// What an entry is that was just written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The newest.
    Newest,
    /// Another server has written behind it, on it or not.
    Followed,
    /// It lies where another server's was that is collected: it is none.
    Collected,
}

/// Why an entry was not written.
#[derive(Debug)]
pub enum Refused {
    /// Somebody else has written that revision.
    Taken,
    /// It may or may not be there, or not count: the service stopped before storage
    /// answered.
    Unknown(Error),
}

impl Log {
    /// The log of an instance under its root.
    #[must_use]
    pub fn new(root: Root, instance: Uuid) -> Self {
        Self { root, instance }
    }

    /// Whose log it is.
    #[must_use]
    pub fn instance(&self) -> Uuid {
        self.instance
    }

    /// The root that it lies under.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Looks what there is.
    pub async fn look(&self) -> Result<Found, Error> {
        look(&self.root).await
    }

    /// Writes the entry of a revision, which nobody must have written. It is
    /// durable, or not there and never will be, or nobody can tell; storage that is
    /// away is waited for.
    pub async fn append(&self, revision: u64, object: &Bytes, stop: &CancellationToken) -> Result<(), Refused> {
        let path = entry_path(revision);
        let mut waits = Waits::new(revision, stop);
        loop {
            let failed = match self.root.put_new(&path, object.clone()).await {
                Ok(true) => return Ok(()),
                // Ours, if the answer to an earlier attempt was lost.
                Ok(false) => None,
                Err(error) => Some(error),
            };
            let settled = match self.root.get(&path).await {
                Ok(Some(found)) if found == object => self.root.sync(&path).await.map(|()| true),
                Ok(Some(_)) => return Err(Refused::Taken),
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
            let error = match (settled, failed) {
                (Ok(true), _) => return Ok(()),
                (Ok(false), None) => Error::internal("an object was there and is not"),
                (Ok(false), Some(error)) | (Err(error), _) => error,
            };
            waits.wait(error).await?;
        }
    }

    /// What an entry of ours is that was just written. Where another server had one, which
    /// it has collected, it has a base there, or behind it, and we have none yet. That an
    /// entry lies before ours would say nothing, since it may have got there in the same
    /// way. Storage that is away is waited for.
    pub async fn standing(&self, revision: u64, stop: &CancellationToken) -> Result<Standing, Refused> {
        let mut waits = Waits::new(revision, stop);
        loop {
            match self.behind(revision - 1).await {
                Ok(found) if !found.bases.is_empty() => return Ok(Standing::Collected),
                Ok(found) if found.entries.last() > Some(&revision) => return Ok(Standing::Followed),
                Ok(_) => return Ok(Standing::Newest),
                Err(error) => waits.wait(error).await?,
            }
        }
    }

    /// What there is of it behind a revision.
    pub async fn behind(&self, revision: u64) -> Result<Found, Error> {
        let paths = self.root.list_behind(&ObjectPath::from(FOLDER), &base_path(revision)).await?;
        Ok(paths.iter().collect())
    }

    /// The entry behind `tip`, if it has been written.
    pub async fn next(&self, tip: &Tip) -> Result<Option<(LogEntry, Tip)>, Error> {
        let path = entry_path(tip.revision + 1);
        let Some(object) = self.root.get(&path).await? else { return Ok(None) };
        let followed = entry::follow(tip, self.instance.as_bytes(), &object);
        followed.map(Some).map_err(|damage| damaged(&path, damage))
    }

    /// The entry of a revision, if it has been written, whatever it stands on.
    pub async fn read(&self, revision: u64) -> Result<Option<LogEntry>, Error> {
        let path = entry_path(revision);
        let object = self.root.get(&path).await?;
        object.map(|object| entry::decode(&object).map_err(|damage| damaged(&path, damage))).transpose()
    }

    /// Whether a revision has an entry.
    pub async fn has(&self, revision: u64) -> Result<bool, Error> {
        Ok(self.root.size(&entry_path(revision)).await?.is_some())
    }

    /// Whether the next entry would stand on what is there: on the one before, or on a
    /// base.
    pub async fn goes_on_at(&self, revision: u64) -> Result<bool, Error> {
        let before = revision - 1;
        Ok(before == 0 || self.has(before).await? || self.root.size(&base_path(before)).await?.is_some())
    }

    /// The entries behind `tip` up to a revision, each checked against the one
    /// before.
    pub fn entries(
        &self,
        tip: Tip,
        to: u64,
    ) -> impl Stream<Item = Result<(LogEntry, Tip, usize), Error>> + Send + use<'_> {
        let objects = futures::stream::iter(tip.revision + 1..=to).map(move |revision| async move {
            let path = entry_path(revision);
            let object = self.root.get(&path).await?;
            Ok::<_, Error>((object.ok_or_else(|| damaged(&path, "it is missing"))?, path))
        });
        let instance = self.instance;
        objects.buffered(READS_AT_ONCE).scan(Some(tip), move |tip, read| {
            let followed = tip.ok_or(()).map(|before| {
                let (object, path) = read?;
                let followed = entry::follow(&before, instance.as_bytes(), &object);
                followed.map(|(entry, tip)| (entry, tip, object.len())).map_err(|damage| damaged(&path, damage))
            });
            *tip = followed.as_ref().ok().and_then(|read| read.as_ref().ok()).map(|(_, tip, _)| *tip);
            // Behind an error there is nothing more to say.
            std::future::ready(followed.ok())
        })
    }

    /// Removes what lies before a base.
    pub async fn collect(&self, before: u64) -> Result<(), Error> {
        let Found { bases, entries } = self.look().await?;
        let entries = entries.range(..=before).map(|revision| entry_path(*revision));
        let bases = bases.range(..before).map(|revision| base_path(*revision));
        self.root.delete_all(entries.chain(bases)).await
    }
}

/// Looks what there is of a log under a root, whoever it belongs to.
pub async fn look(root: &Root) -> Result<Found, Error> {
    let listed = root.list(&ObjectPath::from(FOLDER)).await?;
    Ok(listed.iter().map(|(path, _)| path).collect())
}

impl<'a> FromIterator<&'a ObjectPath> for Found {
    fn from_iter<I: IntoIterator<Item = &'a ObjectPath>>(paths: I) -> Self {
        let mut found = Self::default();
        for path in paths {
            match path.filename().and_then(parse) {
                Some(Name::Entry(revision)) => found.entries.insert(revision),
                Some(Name::Base(revision)) => found.bases.insert(revision),
                None => false,
            };
        }
        found
    }
}

/// The pauses of a change that waits for storage which is away.
struct Waits<'a> {
    revision: u64,
    stop: &'a CancellationToken,
    pause: Duration,
    warned: bool,
}

impl<'a> Waits<'a> {
    fn new(revision: u64, stop: &'a CancellationToken) -> Self {
        Self { revision, stop, pause: PAUSE.0, warned: false }
    }

    /// Waits until it is time for another attempt. If the service stops first, nobody
    /// knows.
    async fn wait(&mut self, error: Error) -> Result<(), Refused> {
        if !std::mem::replace(&mut self.warned, true) {
            let revision = self.revision;
            tracing::warn!(error = error.in_full(), revision, "a change of the records waits for the storage");
        }
        if self.stop.run_until_cancelled(tokio::time::sleep(self.pause)).await.is_none() {
            return Err(Refused::Unknown(error));
        }
        self.pause = (self.pause * 2).min(PAUSE.1);
        Ok(())
    }
}

/// The instance that the newest object of a log names, if it can be read.
pub async fn instance_of(root: &Root, found: &Found) -> Option<Uuid> {
    let newest = found.entries.last()?;
    let object = root.get(&entry_path(*newest)).await.ok()??;
    Uuid::from_slice(&entry::decode(&object).ok()?.instance).ok()
}

enum Name {
    Entry(u64),
    Base(u64),
}

fn parse(name: &str) -> Option<Name> {
    let (digits, name): (_, fn(u64) -> Name) = match name.strip_suffix(".base") {
        Some(digits) => (digits, Name::Base),
        None => (name, Name::Entry),
    };
    let is_revision = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_revision { digits.parse().ok().map(name) } else { None }
}

/// Where the entry of a revision is.
#[must_use]
pub fn entry_path(revision: u64) -> ObjectPath {
    ObjectPath::from(format!("{FOLDER}/{revision:0DIGITS$}"))
}

/// Where the base of a revision is.
#[must_use]
pub fn base_path(revision: u64) -> ObjectPath {
    ObjectPath::from(format!("{FOLDER}/{revision:0DIGITS$}.base"))
}

/// Damage, with the name of the object.
pub fn damaged(path: &ObjectPath, why: impl ToString) -> Error {
    Error::DataLoss(format!("the record log is damaged at {path}: {}", why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_order_as_revisions_do() {
        for revision in [0, 9, 10, u64::MAX] {
            let name = |path: ObjectPath| path.filename().unwrap().to_owned();
            assert!(matches!(parse(&name(entry_path(revision))), Some(Name::Entry(read)) if read == revision));
            assert!(matches!(parse(&name(base_path(revision))), Some(Name::Base(read)) if read == revision));
        }
        assert!(entry_path(9) < entry_path(10));
        for other in ["", "x", "1", "0000000000000000000x", "00000000000000000001.bas", "00000000000000000001#1"] {
            assert!(parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_gap_is_told_and_an_end_is_found() {
        let found = |bases: &[u64], entries: &[u64]| Found {
            bases: bases.iter().copied().collect(),
            entries: entries.iter().copied().collect(),
        };
        assert_eq!(found(&[], &[]).end().unwrap(), 0);
        assert_eq!(found(&[], &[1, 2, 3]).end().unwrap(), 3);
        assert_eq!(found(&[2, 5], &[3, 4, 5, 6]).end().unwrap(), 6);
        assert_eq!(found(&[5], &[]).end().unwrap(), 5);
        for (bases, entries, missing) in [(&[][..], &[2, 3][..], 1), (&[], &[1, 3], 2), (&[5], &[3, 7], 6)] {
            let error = found(bases, entries).end().unwrap_err().to_string();
            assert!(error.contains(&entry_path(missing).to_string()), "{error}");
        }
    }

    #[test]
    fn what_is_left_of_a_collection_that_was_cut_short_is_no_gap() {
        let oldest = |bases: &[u64], entries: &[u64]| {
            Found { bases: bases.iter().copied().collect(), entries: entries.iter().copied().collect() }.oldest()
        };
        assert_eq!(oldest(&[], &[]), 0);
        assert_eq!(oldest(&[], &[2, 3]), 0, "a gap");
        assert_eq!(oldest(&[3], &[1, 2, 3, 4]), 0);
        assert_eq!(oldest(&[3], &[2, 3, 4]), 3, "cut short");
        assert_eq!(oldest(&[1], &[2]), 1, "taken over");
        assert_eq!(oldest(&[3, 5], &[4, 5, 6]), 3);
        assert_eq!(oldest(&[3, 5], &[5, 6]), 3, "a gap");
        assert_eq!(oldest(&[2, 4, 6], &[3, 4, 5, 6]), 2);
        assert_eq!(oldest(&[2, 4, 6], &[4, 5, 6]), 4, "cut short");
    }
}
