//! Locks that keep other servers away, for as long as their files are held.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use tokio::time::Instant;

use super::StartError;
use crate::{documents::Root, durable};

const LOCK: &str = "stillframe.lock";
/// A server that ends lets go of its locks a moment later if it has just started another
/// process: until that has become its own program, it holds copies of all files.
const LETTING_GO: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the data directory for this process, until the file is dropped. What earlier
/// starts have made in it is durable from here on.
pub async fn lock(data_dir: &Path) -> Result<File, StartError> {
    durable::ensure_dir(data_dir)?;
    let file = File::options().create(true).truncate(false).write(true).open(data_dir.join(LOCK))?;
    match try_for_a_while(&file).await {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StartError::Locked(data_dir.display().to_string())),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    durable::sync_directory(data_dir)?;
    Ok(file)
}

/// Takes a storage root that is a directory for this process, until the file is dropped:
/// a copy of the data directory would let a second server in. Nothing is made, since
/// the root may turn out to be another's. `None` for a bucket, and for a file system that
/// locks no directories, as NFS: there another server is only noticed by what it writes.
pub async fn lock_root(root: &Root) -> Result<Option<File>, StartError> {
    let Some(directory) = root.directory() else { return Ok(None) };
    let file = File::open(directory)?;
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
        let held = lock(dir.path()).await.unwrap();
        let copy = held.try_clone().unwrap();
        drop(held);
        let mut waiting = std::pin::pin!(lock(dir.path()));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(copy);
        waiting.await.unwrap();
    }
}
