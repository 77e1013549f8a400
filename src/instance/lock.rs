//! Locks that keep other servers away, for as long as their files are held.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use tokio::time::Instant;

use super::{Fresh, StartError};
use crate::{
    documents::Root,
    durable::{self, Identity},
};

pub(super) const LOCK: &str = "stillframe.lock";
/// A server that ends lets go of its locks a moment later if it has just started another
/// process: until that has become its own program, it holds copies of all files.
const LETTING_GO: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the data directory for this process, until the file is dropped. What earlier
/// starts have made in it is durable from here on. What this one had to make for it goes
/// again with what is returned beside, unless that is kept.
pub async fn lock(data_dir: &Path) -> Result<(File, Fresh), StartError> {
    let failed = |cause| StartError::DataDir { path: data_dir.to_owned(), cause };
    let path = data_dir.join(LOCK);
    loop {
        let fresh = Fresh::directory(data_dir);
        durable::ensure_dir(data_dir).map_err(failed)?;
        let (file, fresh) = open(&path, fresh).map_err(failed)?;
        match try_for_a_while(&file).await {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // It is another's, whoever made it.
                fresh.keep();
                return Err(StartError::Locked(data_dir.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // A start that was refused has removed it meanwhile: the next would lock another.
        if is_at(&file, &path).map_err(failed)? {
            durable::sync_directory(data_dir).map_err(failed)?;
            return Ok((file, fresh));
        }
        fresh.keep();
    }
}

/// The file of the lock, which is made if it is not there.
fn open(path: &Path, fresh: Fresh) -> io::Result<(File, Fresh)> {
    match File::options().create_new(true).write(true).open(path) {
        Ok(file) => Ok((file, fresh.with_file(path.to_owned()))),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok((File::options().create(true).truncate(false).write(true).open(path)?, fresh))
        }
        Err(error) => Err(error),
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    Ok(Identity::at(path)? == Some(Identity::of(&file.metadata()?)))
}

/// Takes a storage root that is a directory for this process, until the file is dropped:
/// a copy of the data directory would let a second server in. Nothing is made, since
/// the root may turn out to be another's. `None` for a bucket, and for a file system that
/// locks no directories, as NFS: there another server is only noticed by what it writes.
pub async fn lock_root(root: &Root) -> Result<Option<File>, StartError> {
    let Some(directory) = root.directory() else { return Ok(None) };
    let file = File::open(directory).map_err(|cause| StartError::Path { path: directory.to_owned(), cause })?;
    match try_for_a_while(&file).await {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StartError::RootLocked(directory.display().to_string())),
        Err(TryLockError::Error(error)) => {
            let directory = directory.display();
            tracing::warn!(%error, %directory, "the storage root cannot be locked; keep other servers from it");
            Ok(None)
        }
    }
}

async fn try_for_a_while(file: &File) -> Result<(), TryLockError> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < LETTING_GO => tokio::time::sleep(PAUSE).await,
            tried => return tried,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of the file, as a process has it that was forked a moment ago.
    #[tokio::test]
    async fn a_lock_that_is_let_go_of_a_moment_later_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let (held, _fresh) = lock(dir.path()).await.unwrap();
        let copy = held.try_clone().unwrap();
        drop(held);
        let mut waiting = std::pin::pin!(lock(dir.path()));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(copy);
        waiting.await.unwrap();
    }

    /// A file that another start has removed is nobody's lock.
    #[tokio::test]
    async fn a_lock_that_was_removed_is_taken_anew() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let (held, fresh) = lock(&data).await.unwrap();
        let mut waiting = std::pin::pin!(lock(&data));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(fresh);
        assert!(!data.exists(), "refused, it leaves nothing");
        drop(held);
        let (file, _fresh) = waiting.await.unwrap();
        assert!(is_at(&file, &data.join(LOCK)).unwrap());
    }
}
