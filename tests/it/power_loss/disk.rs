//! A disk to which the operations of a log are applied, and what it holds after the
//! power fails.
//!
//! The rules are the strictest that POSIX allows. The contents of a file are those of
//! its last completed sync, with the length of then. The entries of a directory are
//! those of the last completed sync of that directory: a new file that was synced is
//! not there without its entry, and what was removed comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use super::oplog::{Effect, Entry, Id, Operation, operations};

#[derive(Debug, Clone, Default)]
pub struct Disk {
    root: Option<Id>,
    files: BTreeMap<Id, File>,
    directories: BTreeMap<Id, Directory>,
    /// The name of an entry that was there when the recording began, and not synced.
    unsynced: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Default)]
struct File {
    mode: u32,
    durable: Vec<u8>,
    pending: Pending<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug, Clone, Default)]
struct Directory {
    durable: Entries,
    pending: Pending<(Vec<u8>, Option<Id>)>,
}

type Entries = BTreeMap<Vec<u8>, Id>;

/// What no sync has covered, each with the length of the log after it.
type Pending<T> = Vec<(u64, T)>;

/// What of the unsynced survives.
trait Fate {
    /// How many of the unsynced changes of a file, from the first.
    fn changes(&mut self, of: usize) -> usize;
    /// Whether an unsynced change of an entry does.
    fn entry(&mut self) -> bool;
}

/// All of it, or nothing.
struct All(bool);
/// SplitMix64.
struct Chance(u64);

impl Disk {
    /// The disk when the log was so long.
    pub fn at(log: &[u8], position: u64) -> Self {
        let mut disk = Self::default();
        operations(log).take_while(|operation| operation.end <= position).for_each(|operation| disk.apply(&operation));
        disk
    }

    /// The same, if an entry that was found had not been synced: whoever made it was
    /// killed before that.
    pub fn at_with_unsynced(log: &[u8], position: u64, name: &str) -> Self {
        let mut disk = Self { unsynced: Some(name.into()), ..Self::default() };
        operations(log).take_while(|operation| operation.end <= position).for_each(|operation| disk.apply(&operation));
        disk
    }

    /// Takes the operations of one log, in their order.
    pub fn apply(&mut self, operation: &Operation<'_>) {
        let end = operation.end;
        match operation.effect {
            Effect::Root(id) => {
                self.root = Some(id);
                self.directories.insert(id, Directory::default());
            }
            Effect::FoundDirectory { at, id } => {
                self.directories.insert(id, Directory::default());
                self.found(at, id);
            }
            Effect::FoundFile { at, id, mode, contents } => {
                self.files.insert(id, File { mode, durable: contents.to_vec(), pending: Vec::new() });
                match &self.unsynced {
                    Some(name) if at.name == name.as_slice() => self.entry(end, at, Some(id)),
                    _ => self.found(at, id),
                }
            }
            Effect::FoundLink { at, id } => self.found(at, id),
            Effect::Create { at, id, mode } => {
                self.files.insert(id, File { mode, ..File::default() });
                self.entry(end, at, Some(id));
            }
            Effect::MakeDirectory { at, id } => {
                self.directories.insert(id, Directory::default());
                self.entry(end, at, Some(id));
            }
            Effect::Link { at, id } => self.entry(end, at, Some(id)),
            Effect::Rename { from, to, id } => {
                self.entry(end, to, Some(id));
                self.entry(end, from, None);
            }
            Effect::Unlink { at } | Effect::RemoveDirectory { at } => self.entry(end, at, None),
            Effect::Write { id, offset, data } => self.change(end, id, Change::Write { offset, data: data.to_vec() }),
            Effect::Truncate { id, size } => self.change(end, id, Change::Truncate(size)),
            Effect::Sync { id, covers } => self.sync(id, covers),
            Effect::SyncRange { .. } => {}
        }
    }

    fn directory(&mut self, id: Id) -> &mut Directory {
        self.directories.get_mut(&id).expect("a recorded directory")
    }

    fn found(&mut self, at: Entry<'_>, id: Id) {
        self.directory(at.directory).durable.insert(at.name.to_vec(), id);
    }

    fn entry(&mut self, end: u64, at: Entry<'_>, id: Option<Id>) {
        self.directory(at.directory).pending.push((end, (at.name.to_vec(), id)));
    }

    fn change(&mut self, end: u64, id: Id, change: Change) {
        self.files.get_mut(&id).expect("a recorded file").pending.push((end, change));
    }

    /// What began after the sync did is not covered, though it was recorded earlier.
    fn sync(&mut self, id: Id, covers: u64) {
        if let Some(file) = self.files.get_mut(&id) {
            let covered = file.pending.partition_point(|(end, _)| *end <= covers);
            for (_, change) in file.pending.drain(..covered) {
                change.apply(&mut file.durable);
            }
        } else {
            let directory = self.directory(id);
            let covered = directory.pending.partition_point(|(end, _)| *end <= covers);
            for (_, (name, id)) in directory.pending.drain(..covered) {
                set(&mut directory.durable, name, id);
            }
        }
    }

    /// Writes what is left if the power fails now and nothing unsynced survives.
    pub fn after_power_loss(&self, into: &Path) {
        self.write(into, &mut All(false));
    }

    /// Writes what is left if the power fails now and chance decides: of the unsynced
    /// changes of a file the first few survive, and each unsynced change of an entry
    /// does or not.
    pub fn after_power_loss_with(&self, seed: u64, into: &Path) {
        self.write(into, &mut Chance(seed));
    }

    /// Writes what is there while the power is on.
    pub fn as_it_is(&self, into: &Path) {
        self.write(into, &mut All(true));
    }

    /// For each of these positions of a log, in ascending order, the disk as it was
    /// there.
    pub fn at_each(log: &[u8], positions: &[u64], mut each: impl FnMut(u64, &Self)) {
        let (mut disk, mut operations) = (Self::default(), operations(log).peekable());
        for position in positions {
            while let Some(operation) = operations.next_if(|operation| operation.end <= *position) {
                disk.apply(&operation);
            }
            each(*position, &disk);
        }
    }

    fn write(&self, into: &Path, fate: &mut impl Fate) {
        std::fs::create_dir_all(into).unwrap();
        // Decides on all of them, also those that are nowhere: one seed is one outcome
        // whatever is where.
        let trees = self.directories.iter().map(|(id, directory)| (*id, directory.entries(fate))).collect();
        let files = self.files.iter().map(|(id, file)| (*id, fate.changes(file.pending.len()))).collect();
        let mut tree = Tree { disk: self, trees, files, written: BTreeMap::new(), entered: BTreeSet::new() };
        if let Some(root) = self.root {
            tree.write(root, into);
        }
    }
}

impl Directory {
    fn entries(&self, fate: &mut impl Fate) -> Entries {
        let mut entries = self.durable.clone();
        for (_, (name, id)) in &self.pending {
            if fate.entry() {
                set(&mut entries, name.clone(), *id);
            }
        }
        entries
    }
}

fn set(entries: &mut Entries, name: Vec<u8>, id: Option<Id>) {
    match id {
        Some(id) => entries.insert(name, id),
        None => entries.remove(&name),
    };
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let start = index(*offset);
                let end = start + data.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[start..end].copy_from_slice(data);
            }
            Self::Truncate(size) => contents.resize(index(*size), 0),
        }
    }
}

/// What survives, on its way into a directory.
struct Tree<'a> {
    disk: &'a Disk,
    trees: BTreeMap<Id, Entries>,
    files: BTreeMap<Id, usize>,
    written: BTreeMap<Id, PathBuf>,
    entered: BTreeSet<Id>,
}

impl Tree<'_> {
    fn write(&mut self, directory: Id, into: &Path) {
        // A directory with both its old and its new entry is at one of them only.
        self.entered.insert(directory);
        for (name, id) in self.trees.get(&directory).cloned().unwrap_or_default() {
            let path = into.join(OsStr::from_bytes(&name));
            if let Some(file) = self.disk.files.get(&id) {
                self.write_file(id, file, path);
            } else if !self.entered.contains(&id) {
                std::fs::create_dir(&path).unwrap();
                self.write(id, &path);
            }
        }
    }

    fn write_file(&mut self, id: Id, file: &File, path: PathBuf) {
        if let Some(first) = self.written.get(&id) {
            std::fs::hard_link(first, path).unwrap();
            return;
        }
        let survive = &file.pending[..self.files[&id]];
        if survive.is_empty() {
            std::fs::write(&path, &file.durable).unwrap();
        } else {
            let mut contents = file.durable.clone();
            for (_, change) in survive {
                change.apply(&mut contents);
            }
            std::fs::write(&path, contents).unwrap();
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(file.mode)).unwrap();
        self.written.insert(id, path);
    }
}

impl Fate for All {
    fn changes(&mut self, of: usize) -> usize {
        if self.0 { of } else { 0 }
    }

    fn entry(&mut self) -> bool {
        self.0
    }
}

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Fate for Chance {
    fn changes(&mut self, of: usize) -> usize {
        index(self.next() % (of as u64 + 1))
    }

    fn entry(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
