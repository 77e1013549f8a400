//! The operation log that `oplog.c` writes: what a process changed below a directory,
//! in the order in which it happened.
//!
//! The length of the log at any moment is a position: all that had returned by then is
//! before it.

use std::path::{Path, PathBuf};

use crate::support;

/// Builds the shim into a directory.
pub fn build_shim(into: &Path) -> PathBuf {
    support::build_shim(into, "oplog.c", include_str!("oplog.c"))
}

/// The environment of a process that is recorded.
pub fn environment(shim: &Path, log: &Path, below: &Path) -> [(String, String); 3] {
    [("LD_PRELOAD", shim), ("STILLFRAME_OPLOG", log), ("STILLFRAME_OPLOG_BELOW", below)]
        .map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()))
}

/// A file or a directory, from its creation on. A reused inode has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The length of the log with it.
    pub end: u64,
    pub effect: Effect<'a>,
}

/// What an entry of a directory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub directory: Id,
    pub name: &'a [u8],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<'a> {
    /// The directory that all is below.
    Root(Id),
    /// What was there when the recording began. It counts as synced.
    FoundDirectory {
        at: Entry<'a>,
        id: Id,
    },
    FoundFile {
        at: Entry<'a>,
        id: Id,
        mode: u32,
        contents: &'a [u8],
    },
    FoundLink {
        at: Entry<'a>,
        id: Id,
    },
    Create {
        at: Entry<'a>,
        id: Id,
        mode: u32,
    },
    MakeDirectory {
        at: Entry<'a>,
        id: Id,
    },
    Link {
        at: Entry<'a>,
        id: Id,
    },
    Rename {
        from: Entry<'a>,
        to: Entry<'a>,
        id: Id,
    },
    Unlink {
        at: Entry<'a>,
    },
    RemoveDirectory {
        at: Entry<'a>,
    },
    Write {
        id: Id,
        offset: u64,
        data: &'a [u8],
    },
    /// Or an extension.
    Truncate {
        id: Id,
        size: u64,
    },
    /// Of a file or a directory. Began when the log was so long, and says nothing
    /// about what came later.
    Sync {
        id: Id,
        covers: u64,
    },
    /// By `sync_file_range`, which makes nothing durable.
    SyncRange {
        id: Id,
    },
}

/// The operations of a log, without a last one that is torn.
pub fn operations(log: &[u8]) -> impl Iterator<Item = Operation<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (length, rest) = log.get(at..)?.split_first_chunk()?;
        let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
        at += length.len() + body.len();
        Some(Operation { end: at as u64, effect: Fields(body).effect() })
    })
}

/// The positions after each operation: there the power can fail.
pub fn positions(log: &[u8]) -> Vec<u64> {
    operations(log).map(|operation| operation.end).collect()
}

/// So many of these, from the first to the last, as evenly as they come.
pub fn evenly(positions: &[u64], count: usize) -> Vec<u64> {
    let last = positions.len().saturating_sub(1);
    let mut chosen: Vec<u64> =
        (0..count).filter_map(|at| positions.get(last * at / count.saturating_sub(1).max(1))).copied().collect();
    chosen.dedup();
    chosen
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().expect("a whole record");
        self.0 = rest;
        *array
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    fn id(&mut self) -> Id {
        Id(self.number())
    }

    fn mode(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap()
    }

    fn name(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes(self.array()));
        let (name, rest) = self.0.split_at(length);
        self.0 = rest;
        name
    }

    /// The directory, the file, its mode, the name.
    fn entry(&mut self) -> (Entry<'a>, Id, u32) {
        let (directory, id, mode) = (self.id(), self.id(), self.mode());
        (Entry { directory, name: self.name() }, id, mode)
    }

    fn removal(&mut self) -> Entry<'a> {
        Entry { directory: self.id(), name: self.name() }
    }

    fn rename(&mut self) -> Effect<'a> {
        let (from, to, id) = (self.id(), self.id(), self.id());
        let from = Entry { directory: from, name: self.name() };
        Effect::Rename { from, to: Entry { directory: to, name: self.name() }, id }
    }

    fn effect(mut self) -> Effect<'a> {
        // As in `oplog.c`.
        match self.array() {
            [1] => Effect::Root(self.id()),
            [kind @ 2..=7] => {
                let (at, id, mode) = self.entry();
                match kind {
                    2 => Effect::FoundDirectory { at, id },
                    3 => Effect::FoundFile { at, id, mode, contents: self.0 },
                    4 => Effect::FoundLink { at, id },
                    5 => Effect::Create { at, id, mode },
                    6 => Effect::MakeDirectory { at, id },
                    _ => Effect::Link { at, id },
                }
            }
            [8] => self.rename(),
            [9] => Effect::Unlink { at: self.removal() },
            [10] => Effect::RemoveDirectory { at: self.removal() },
            [11] => Effect::Write { id: self.id(), offset: self.number(), data: self.0 },
            [12] => Effect::Truncate { id: self.id(), size: self.number() },
            [13] => Effect::Sync { id: self.id(), covers: self.number() },
            [14] => Effect::SyncRange { id: self.id() },
            [kind] => panic!("a record of kind {kind}"),
        }
    }
}
