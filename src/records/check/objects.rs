//! The objects that records name: the directories of collections, and the file lists of
//! snapshots.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, pin_mut};
use uuid::Uuid;

use super::{
    super::{
        Collection, CollectionState, Intent, Record, Retired, Snapshot, SnapshotState, SourcePosition, merged::Merged,
        raw::read, terms::check_readable,
    },
    Report, UNREADABLE, damage,
};
use crate::{
    documents::{Files, ObjectHash, Root, collections_folder, load_manifest},
    error::Error,
    lines::counted,
    stored::BaseRecord,
};

/// File lists that are read at once.
const READS_AT_ONCE: usize = 16;

/// Checks what these records name.
pub(super) async fn check(root: &Root, mut records: Merged, report: &mut Report<'_>) -> Result<(), Error> {
    let mut named = Named::default();
    loop {
        let record = match damage(records.next().await)? {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(_) => {
                report.say(UNREADABLE);
                return Ok(());
            }
        };
        if let Err(error) = named.take(&record) {
            report.tell_wrong(format!("records: {error}"));
        }
    }
    check_collections(&named, &root.children(&collections_folder()).await?, report);
    check_file_lists(root, named.lists, report).await
}

/// What has a directory under `collections/`, or may have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Ready,
    Restoring,
    Retired,
    Intent,
}

/// What the records name.
#[derive(Default)]
struct Named {
    /// By their uids, which name directories.
    collections: BTreeMap<Uuid, (Owner, String)>,
    /// The file lists of those that are CREATED.
    lists: Vec<List>,
    /// The collections that know of sources of another one.
    restored: BTreeSet<Uuid>,
}

/// The file list of a snapshot.
struct List {
    snapshot: Uuid,
    name: String,
    /// Of the object; absent in an older record.
    hash: Option<ObjectHash>,
    /// The same of the copy of the manifest.
    manifest_hash: Option<ObjectHash>,
}

impl Named {
    fn take(&mut self, record: &BaseRecord) -> Result<(), Error> {
        let BaseRecord { key, value, .. } = record;
        let value = value.as_slice();
        if key.starts_with(Collection::all().as_bytes()) {
            let record: Collection = read(key, value)?;
            let owner = if record.state == CollectionState::Ready { Owner::Ready } else { Owner::Restoring };
            self.collections.insert(record.uid, (owner, record.name.to_string()));
        } else if key.starts_with(Retired::all().as_bytes()) {
            let record: Retired = read(key, value)?;
            self.collections.insert(record.uid, (Owner::Retired, record.name.to_string()));
        } else if key.starts_with(Intent::all().as_bytes()) {
            let intent: Intent = read(key, value)?;
            // That of a restore is of a collection that has a record.
            self.collections.entry(intent.uid).or_insert((Owner::Intent, String::new()));
        } else if key.starts_with(SourcePosition::all().as_bytes()) {
            self.restored.insert(read::<SourcePosition>(key, value)?.collection_uid);
        } else if key.starts_with(Snapshot::all().as_bytes()) {
            let record: Snapshot = read(key, value)?;
            if record.state == SnapshotState::Created {
                let manifest = record.contents()?.manifest;
                let (hash, manifest_hash) = (manifest.file_list_hash, manifest.copy_hash());
                self.lists.push(List { snapshot: record.uid, name: record.name.to_string(), hash, manifest_hash });
            }
        } else {
            check_readable(key, value)?;
        }
        Ok(())
    }
}

/// Holds records and directories against each other.
fn check_collections(named: &Named, directories: &[String], report: &mut Report<'_>) {
    let folder = collections_folder();
    let mut present = BTreeSet::<Uuid>::new();
    let mut unknown = 0;
    for directory in directories {
        match directory.parse::<Uuid>().ok().filter(|uid| named.collections.contains_key(uid)) {
            Some(uid) => {
                present.insert(uid);
            }
            None => {
                unknown += 1;
                report.tell_wrong(format!("collections: no record knows the directory {folder}/{directory}"));
            }
        }
    }
    // They go with their collection, in one change.
    for uid in &named.restored {
        if !matches!(named.collections.get(uid), Some((Owner::Ready | Owner::Restoring, _))) {
            report.tell_wrong(format!("collections: source positions are of {uid}, which is none"));
        }
    }
    for (uid, (owner, name)) in &named.collections {
        let directory = format!("{folder}/{uid}");
        match (owner, present.contains(uid)) {
            (Owner::Ready, false) => report.tell_wrong(format!("collections: {name} has no directory {directory}")),
            (Owner::Restoring, false) => {
                report.say(format!("collections: {name} is being restored and has no directory {directory} yet"));
            }
            (Owner::Retired, false) => {
                report.say(format!("collections: {name} was deleted and has no directory {directory} any more"));
            }
            (Owner::Intent, true) => {
                report.say(format!("collections: {directory} was begun (the next start removes it)"));
            }
            (Owner::Ready | Owner::Restoring | Owner::Retired, true) | (Owner::Intent, false) => {}
        }
    }
    let known = if unknown == 0 { "all known".to_owned() } else { format!("{unknown} unknown") };
    report.say(format!("collections: {}, {known}", counted(directories.len() as u64, "directory", "directories")));
}

/// Reads the file list of every snapshot, and the copy of its manifest.
async fn check_file_lists(root: &Root, lists: Vec<List>, report: &mut Report<'_>) -> Result<(), Error> {
    let (count, mut whole) = (lists.len(), 0);
    let lists = futures::stream::iter(lists)
        .map(|List { snapshot, name, hash, manifest_hash }| async move {
            let copy = match manifest_hash {
                None => Ok(()),
                Some(hash) => load_manifest(root, snapshot, hash).await.map(drop),
            };
            (name, Files::load(root, snapshot, hash).await, copy)
        })
        .buffered(READS_AT_ONCE);
    pin_mut!(lists);
    while let Some((name, read, copy)) = lists.next().await {
        if let Err(why) = damage(copy)? {
            report.tell_wrong(format!("manifests: that of {name}: {why}"));
        }
        match damage(read)? {
            Ok(_) => whole += 1,
            Err(why) => report.tell_wrong(format!("file lists: that of {name}: {why}")),
        }
    }
    if whole == count {
        report.say(format!("file lists: {}, all there", counted(count as u64, "snapshot", "snapshots")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::{documents::Position, records::fixture, stored::SourceMark};

    fn checked(named: &Named, directories: &[&str]) -> (usize, Vec<String>) {
        let mut lines = Vec::new();
        let mut say = |line| lines.push(line);
        let mut report = Report::new(&mut say);
        let directories: Vec<_> = directories.iter().map(|name| (*name).to_owned()).collect();
        check_collections(named, &directories, &mut report);
        let wrong = report.wrong();
        (wrong, lines)
    }

    fn named(owners: &[(u128, Owner)]) -> Named {
        let owners = owners.iter().map(|(uid, owner)| (Uuid::from_u128(*uid), (*owner, format!("c{uid}"))));
        Named { collections: owners.collect(), ..Named::default() }
    }

    #[test]
    fn only_a_ready_collection_must_have_a_directory() {
        let all = [(1, Owner::Ready), (2, Owner::Restoring), (3, Owner::Retired), (4, Owner::Intent)];
        let (wrong, lines) = checked(&named(&all), &[]);
        assert_eq!((wrong, lines.len()), (1, 4), "{lines:?}");
        assert!(lines[0].starts_with("collections: c1 has no directory collections/00000000-"), "{lines:?}");
        let directories = [1, 2, 3, 4].map(|uid| Uuid::from_u128(uid).to_string());
        let (wrong, lines) = checked(&named(&all), &directories.each_ref().map(String::as_str));
        assert_eq!((wrong, lines.len()), (0, 2), "{lines:?}");
        assert_eq!(lines[1], "collections: 4 directories, all known");
    }

    #[test]
    fn source_positions_are_of_a_collection_that_is_there() {
        let all = [(1, Owner::Ready), (2, Owner::Restoring), (3, Owner::Retired), (4, Owner::Intent)];
        let restored = (1..=5).map(Uuid::from_u128).collect();
        let directories = [1, 2, 3, 4].map(|uid| Uuid::from_u128(uid).to_string());
        let named = Named { restored, ..named(&all) };
        let (wrong, lines) = checked(&named, &directories.each_ref().map(String::as_str));
        assert_eq!((wrong, lines.len()), (3, 5), "{lines:?}");
        assert!(lines[0].starts_with("collections: source positions are of 00000000-"), "{lines:?}");
    }

    #[test]
    fn a_directory_without_a_record_is_wrong() {
        let other = Uuid::from_u128(9).to_string();
        let (wrong, lines) = checked(&named(&[]), &["notes", &other]);
        assert_eq!(wrong, 2);
        assert_eq!(lines[0], "collections: no record knows the directory collections/notes");
        assert_eq!(lines[2], "collections: 2 directories, 2 unknown");
    }

    #[test]
    fn records_say_what_they_name() {
        let mut named = Named::default();
        let take = |named: &mut Named, key: &str, value: Vec<u8>| {
            named.take(&BaseRecord { key: key.into(), version: 1, value })
        };
        let uid = Uuid::from_u128(1);
        let restored = Collection { uid, state: CollectionState::Restoring, ..fixture::collection() };
        take(&mut named, "c/commons/books", restored.message().encode_to_vec()).unwrap();
        take(&mut named, "i/1", Intent { uid, create_time: 1 }.message().encode_to_vec()).unwrap();
        for (n, state) in [(2, SnapshotState::Created), (3, SnapshotState::Expired)] {
            let snapshot = Snapshot { uid: Uuid::from_u128(n), state, ..fixture::snapshot() };
            take(&mut named, "s/commons/monday/2", snapshot.message().encode_to_vec()).unwrap();
        }
        let position = Position { source: Uuid::from_u128(2), mark: SourceMark::default() };
        take(&mut named, "p/1/2", SourcePosition::new(uid, position).message().encode_to_vec()).unwrap();
        assert_eq!(named.restored, [Uuid::from_u128(1)].into());
        assert!(take(&mut named, "c/commons/bad", b"\xff".to_vec()).is_err());
        assert!(take(&mut named, "w/commons", b"\xff".to_vec()).is_err(), "although nothing is done with it");
        assert_eq!(named.collections[&Uuid::from_u128(1)].0, Owner::Restoring);
        let lists: Vec<_> = named.lists.iter().map(|list| (list.snapshot.as_u128(), list.hash)).collect();
        assert_eq!(lists, [(2, Some(ObjectHash([7; 16])))]);
    }
}
