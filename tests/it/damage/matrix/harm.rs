//! What is damaged, and how.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::given::Given;
use crate::{power_loss::trees::tree, support::Random};

/// A kind of stored file, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    ManifestNewest,
    ManifestFrozen,
    LogData,
    LogLast,
    LogFence,
    End,
    Documents,
    Compactions,
    Filter,
    FileList,
    Marker,
    RecordsEntry,
    RecordsBase,
    Index,
}

impl Class {
    /// Whether a server may refuse to start: without it nothing is known for certain.
    pub fn may_keep_from_starting(self) -> bool {
        matches!(self, Self::Marker | Self::RecordsEntry | Self::RecordsBase)
    }
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Bit,
    Zeros,
    Cut,
    Emptied,
    Removed,
    /// It and another one in its directory change places.
    SwappedWithin,
    /// It and one of its class that is elsewhere change places.
    SwappedAcross,
}

impl Kind {
    pub const ALL: [Self; 7] =
        [Self::Bit, Self::Zeros, Self::Cut, Self::Emptied, Self::Removed, Self::SwappedWithin, Self::SwappedAcross];

    /// How often it is done to a class: where there is more to choose, more often.
    const fn times(self) -> usize {
        match self {
            Self::Bit | Self::Zeros | Self::Cut => 4,
            Self::Emptied | Self::Removed | Self::SwappedWithin | Self::SwappedAcross => 2,
        }
    }
}

/// One damage: the files as they become, below the data directory. Without contents they
/// are removed.
#[derive(Clone, Debug)]
pub struct Harm {
    pub class: Class,
    pub kind: Kind,
    pub files: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

impl Harm {
    /// Does it to a copy.
    pub fn apply(&self, to: &Path) {
        for (file, contents) in &self.files {
            write(&to.join(file), contents.as_deref());
        }
    }

    /// Undoes it.
    pub fn undo(&self, in_copy: &Path, given: &Given) {
        for file in self.files.keys() {
            write(&in_copy.join(file), Some(&std::fs::read(given.path().join(file)).unwrap()));
        }
    }

    /// Whether it is about the files of a collection or of a snapshot.
    pub fn is_of(&self, uid: &str) -> bool {
        self.files.keys().any(|file| file.to_str().unwrap().contains(uid))
    }
}

fn write(path: &Path, contents: Option<&[u8]>) {
    match contents {
        Some(contents) => std::fs::write(path, contents).unwrap(),
        None => std::fs::remove_file(path).unwrap(),
    }
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Every damage that is done to what a server left, drawn by chance.
pub fn all(given: &Given, random: &mut Random) -> Vec<Harm> {
    let files: Files =
        tree(given.path()).into_iter().filter_map(|(name, found)| Some((PathBuf::from(name), found?.0))).collect();
    let mut harms = Vec::new();
    for (class, victims) in classes(&files) {
        for kind in Kind::ALL {
            for _ in 0..kind.times() {
                let victim = draw(random, &victims);
                let damaged = damaged(kind, victim, &victims, &files, random);
                harms.extend(damaged.map(|files| Harm { class, kind, files }));
            }
        }
    }
    harms
}

fn draw<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[below(random, of.len())]
}

fn below(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end as u64)).unwrap()
}

/// The files as a damage leaves them; `None` if it changes nothing.
fn damaged(
    kind: Kind,
    victim: &Path,
    victims: &[PathBuf],
    files: &Files,
    random: &mut Random,
) -> Option<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let whole = &files[victim];
    let mut next = whole.clone();
    match kind {
        Kind::Removed => return Some([(victim.to_owned(), None)].into()),
        Kind::SwappedWithin | Kind::SwappedAcross => {
            let is_near = |other: &Path| other.parent() == victim.parent() && other.extension() == victim.extension();
            let others: Vec<&PathBuf> = match kind {
                Kind::SwappedWithin => files.keys().filter(|other| is_near(other)).collect(),
                _ => victims.iter().filter(|other| !is_near(other)).collect(),
            };
            let others: Vec<_> = others.into_iter().filter(|other| files[*other] != *whole).collect();
            if others.is_empty() {
                return None;
            }
            let other = *draw(random, &others);
            let swapped = [(victim.to_owned(), Some(files[other].clone())), (other.clone(), Some(next))];
            return Some(swapped.into());
        }
        _ if whole.is_empty() => return None,
        Kind::Bit => next[below(random, whole.len())] ^= 1 << random.below(8),
        Kind::Zeros => {
            let from = below(random, whole.len());
            let until = whole.len().min(from + 512);
            next[from..until].fill(0);
        }
        Kind::Cut => next.truncate(1 + below(random, whole.len())),
        Kind::Emptied => next.clear(),
    }
    (next != *whole).then(|| [(victim.to_owned(), Some(next))].into())
}

/// The files of each class.
fn classes(files: &Files) -> BTreeMap<Class, Vec<PathBuf>> {
    let mut found = BTreeMap::<Class, Vec<PathBuf>>::new();
    for (path, contents) in files {
        if let Some(class) = class_of(path, contents, files) {
            found.entry(class).or_default().push(path.clone());
        }
    }
    found
}

/// A log without a row: there is nothing before its seal.
fn is_fence(contents: &[u8]) -> bool {
    contents.len() == 96
}

fn class_of(path: &Path, contents: &[u8], files: &Files) -> Option<Class> {
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    // The last of its directory that this holds for.
    let is_last = |holds: &dyn Fn(&[u8]) -> bool| {
        let mut of_directory = files.iter().filter(|(other, _)| other.parent() == path.parent());
        of_directory.rfind(|(_, contents)| holds(contents)).is_some_and(|(last, _)| last == path)
    };
    match parts[..] {
        ["metadata", ..] => Some(Class::Index),
        ["stillframe.json"] | ["storage", "stillframe.json"] => Some(Class::Marker),
        ["storage", "records", _] if path.extension().is_some_and(|end| end == "base") => Some(Class::RecordsBase),
        ["storage", "records", _] => Some(Class::RecordsEntry),
        ["storage", "files", _] => Some(Class::FileList),
        ["storage", "collections", _, "compacted", _] => Some(Class::Documents),
        ["storage", "collections", _, "compactions", _] if is_last(&|_| true) => Some(Class::Compactions),
        ["storage", "collections", _, "wal", _] if is_fence(contents) => Some(Class::LogFence),
        ["storage", "collections", _, "wal", _] if is_last(&|contents| !is_fence(contents)) => Some(Class::LogLast),
        ["storage", "collections", _, "wal", _] => Some(Class::LogData),
        ["storage", "collections", _, "manifest", _] if is_last(&|_| true) => Some(Class::ManifestNewest),
        ["storage", "manifests", _] => Some(Class::ManifestFrozen),
        ["storage", "collections", _, "ids.filter"] => Some(Class::Filter),
        ["storage", "collections", _, "end"] => Some(Class::End),
        _ => None,
    }
}
