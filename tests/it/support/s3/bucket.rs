//! A bucket is a directory, and its objects are the files in it. A part of a key that no
//! file can have as its name has another name there.
//!
//! An object is written aside, outside of what is listed, and then gets its
//! name: nobody sees half of one. Who writes under a condition checks it and
//! takes the name in one step.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use parking_lot::{Mutex, MutexGuard};
use tempfile::NamedTempFile;

use super::{answer::Failure, conditions::Condition, object::Object, record::Record};

const UPLOADS: &str = ".s3-uploads";
/// What a name of a file may have.
const MAX_NAME_BYTES: usize = 255;
const MAX_KEY_BYTES: usize = 1024;
/// Parts of keys that have another name as files.
const ODD: [(&str, &str); 3] = [("", ".s3-empty"), (".", ".s3-dot"), ("..", ".s3-dots")];

/// Who changes what a name stands for has one of these, by the hash of its path.
/// They are held for a rename, not for the writing before it.
static NAMES: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

pub struct Bucket {
    pub name: String,
    pub directory: PathBuf,
    /// Where objects are written.
    pub uploads: PathBuf,
}

impl Bucket {
    pub fn open(dir: &Path, name: &str) -> Result<Self, Failure> {
        let directory = dir.join(name);
        let is_name = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
        if !is_name || !directory.is_dir() {
            return Err(Failure::missing("NoSuchBucket"));
        }
        let uploads = dir.join(UPLOADS);
        std::fs::create_dir_all(&uploads)?;
        Ok(Self { name: name.to_owned(), directory, uploads })
    }

    /// The file of a key.
    pub fn path(&self, key: &str) -> Result<PathBuf, Failure> {
        if key.len() > MAX_KEY_BYTES {
            return Err(Failure::bad("KeyTooLongError", "your key is too long"));
        }
        if !key.split('/').all(|part| part.len() <= MAX_NAME_BYTES && !part.contains('\0') && part_of(part) == part) {
            return Err(Failure::unknown("a key that is no path of a file"));
        }
        Ok(key.split('/').fold(self.directory.clone(), |path, part| path.join(file_of(part))))
    }

    pub fn object(&self, key: &str) -> Result<Object, Failure> {
        Object::open(&self.path(key)?)
    }

    /// Writes an object: first aside, then, if the condition allows, under its key.
    pub fn write(
        &self,
        key: &str,
        condition: &Condition,
        record: &Record,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<Object, Failure> {
        let path = self.path(key)?;
        let aside = self.aside(record, content)?;
        let parent = path.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(parent).map_err(below_an_object)?;
        if path.is_dir() {
            return Err(Failure::unknown("a key above that of an object"));
        }
        let _name = name(&path);
        let named = match condition {
            Condition::None => aside.persist(path),
            Condition::Absent => aside.persist_noclobber(path),
            Condition::Etag(etag) if Object::open(&path)?.record.etag == *etag => aside.persist(path),
            Condition::Etag(_) => return Err(Failure::precondition("If-Match")),
        };
        match named {
            Ok(file) => Object::of(file),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::precondition("If-None-Match"))
            }
            Err(refused) => Err(refused.error.into()),
        }
    }

    /// A file without a name in a bucket; it goes unless it gets one.
    pub fn aside(
        &self,
        record: &Record,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<NamedTempFile, Failure> {
        let mut aside = NamedTempFile::new_in(&self.uploads)?;
        content(aside.as_file_mut())?;
        record.keep(aside.as_file())?;
        Ok(aside)
    }

    /// Deletes an object, if there is one.
    pub fn delete(&self, key: &str) -> Result<(), Failure> {
        let path = self.path(key)?;
        let _name = name(&path);
        match std::fs::remove_file(path) {
            Err(error) if !is_absent(error.kind()) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The name of a file, or of a directory, for a part of a key.
pub fn file_of(part: &str) -> &str {
    ODD.iter().find(|(odd, _)| *odd == part).map_or(part, |(_, file)| file)
}

/// The other way.
pub fn part_of(file: &str) -> &str {
    ODD.iter().find(|(_, name)| *name == file).map_or(file, |(odd, _)| odd)
}

fn below_an_object(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Failure::unknown("a key below that of an object")
        }
        _ => error.into(),
    }
}

/// A directory is no object either.
fn is_absent(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn name(path: &Path) -> MutexGuard<'static, ()> {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    NAMES[usize::from(hasher.finish().to_le_bytes()[0]) % NAMES.len()].lock()
}
