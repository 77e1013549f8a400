//! Local files and directories that survive power loss: not only what is in them,
//! but that they are there.
//!
//! An entry of a directory (a file, a link, a directory below) is durable when the
//! directory was synced behind it. If that fails once, it is tried again here: the
//! entry is there by then, and whoever is told that making it failed would take it for
//! somebody else's.

#[cfg(any(test, debug_assertions))]
pub mod faults;
mod staged;

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::staged::{Identity, Staged};

/// What a call failed at.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
pub struct AtPath {
    /// Which file or directory.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// How often a directory is synced before it is given up, and how long the first pause
/// is; each is twice as long as the one before, 0.15 s in all.
const SYNC_TRIES: u32 = 5;
const SYNC_PAUSE: Duration = Duration::from_millis(10);

/// A kind of call to the file system, for those that are made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after what it does")]
pub enum Call {
    Create,
    Write,
    SyncFile,
    OpenDirectory,
    SyncDirectory,
    Link,
    Rename,
    MakeDirectory,
}

/// Fails if a test says that this call does.
#[allow(clippy::unnecessary_wraps, reason = "release builds have no faults to meet")]
fn pass(call: Call, path: &Path) -> io::Result<()> {
    #[cfg(any(test, debug_assertions))]
    faults::meet(call, path)?;
    let _ = (call, path);
    Ok(())
}

/// Creates a directory with its parents; what is missing is durable when this returns.
pub fn create_dir_all(directory: &Path) -> io::Result<()> {
    let missing = missing(directory);
    if missing.is_empty() {
        return Ok(());
    }
    pass(Call::MakeDirectory, directory)?;
    std::fs::create_dir_all(directory)?;
    // The way down, as it was made: each is an entry of the one above.
    missing.into_iter().rev().try_for_each(sync_parent)
}

/// Creates a directory with its parents, and makes durable that they are there, whoever
/// made them: an earlier process may have been killed before it came to that. The way
/// ends where the file system does, or at what we may not read, which is not ours.
pub fn ensure_dir(directory: &Path) -> io::Result<()> {
    create_dir_all(directory)?;
    let directory = directory.canonicalize()?;
    let device = directory.metadata()?.dev();
    for above in directory.ancestors().skip(1) {
        if above.metadata()?.dev() != device {
            break;
        }
        match sync_directory(above) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
            synced => synced?,
        }
    }
    Ok(())
}

/// Those of a directory and its parents that are not there, the lowest first.
#[must_use]
pub fn missing(directory: &Path) -> Vec<&Path> {
    let is_missing = |directory: &&Path| !directory.as_os_str().is_empty() && !directory.exists();
    directory.ancestors().take_while(is_missing).collect()
}

/// Writes a small file, whole or not at all, over what was there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = Staged::create(path)?;
    staged.append(bytes)?;
    staged.replace(path)
}

/// Makes durable that a file or a directory is there, or is not.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(parent_of(path))
}

/// Makes durable what entries a directory has. What fails for a moment is tried again,
/// in the thread that calls.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    let mut pause = SYNC_PAUSE;
    let mut tried = sync_once(directory, false);
    for _ in 1..SYNC_TRIES {
        match &tried {
            Err(error) if !is_lasting(error.kind()) => {
                tracing::warn!(%error, directory = %directory.display(), "a directory is synced again");
                std::thread::sleep(pause);
            }
            _ => break,
        }
        pause *= 2;
        tried = sync_once(directory, true);
    }
    tried
}

fn sync_once(directory: &Path, again: bool) -> io::Result<()> {
    pass(Call::OpenDirectory, directory)?;
    let opened = File::open(directory)?;
    if again {
        // A sync that failed may have taken what it could not write for written: the
        // next has something to write for sure if an entry comes and goes.
        drop(Staged::create(&directory.join("sync"))?);
    }
    pass(Call::SyncDirectory, directory)?;
    opened.sync_all()
}

/// Whether trying again is of no use.
fn is_lasting(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
}

/// Makes durable what entries a directory and those below it have, and that it is there.
pub fn sync_tree(directory: &Path) -> io::Result<()> {
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(&next)? {
            directories.extend(Some(entry?.path()).filter(|path| path.is_dir()));
        }
        sync_directory(&next)?;
    }
    sync_parent(directory)
}

/// The directory that a name is in.
#[must_use]
pub fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn directories_and_files_are_made_again_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        for text in ["one", "two"] {
            ensure_dir(&below).unwrap();
            create_dir_all(&below).unwrap();
            write(&below.join("file"), text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(below.join("file")).unwrap(), text);
        }
        sync_tree(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(&below).unwrap().count(), 1);
        assert_eq!(parent_of(Path::new("file")), Path::new("."));
    }

    #[test]
    fn a_directory_is_synced_again_when_that_fails_for_a_moment_and_given_up_when_it_lasts() {
        for (call, errno) in
            [(Call::SyncDirectory, Errno::IO), (Call::OpenDirectory, Errno::MFILE), (Call::SyncDirectory, Errno::NOSPC)]
        {
            let dir = tempfile::tempdir().unwrap();
            let fault = faults::fail(dir.path(), call, errno, 1);
            sync_directory(dir.path()).unwrap();
            assert_eq!(fault.met(), 1);
            drop(fault);
            let fault = faults::fail(dir.path(), call, errno, usize::MAX);
            assert_eq!(sync_directory(dir.path()).unwrap_err().raw_os_error(), Some(errno.raw_os_error()));
            assert_eq!(fault.met(), usize::try_from(SYNC_TRIES).unwrap());
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
        }
        let error = sync_directory(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_file_that_could_not_be_written_whole_leaves_the_old_one() {
        for call in [Call::Create, Call::Write, Call::SyncFile, Call::Rename] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("file");
            write(&file, b"old").unwrap();
            let fault = faults::fail(dir.path(), call, Errno::IO, 1);
            write(&file, b"new").unwrap_err();
            assert_eq!(fault.met(), 1, "{call:?}");
            assert_eq!(std::fs::read(&file).unwrap(), b"old");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left behind: {call:?}");
        }
    }
}
