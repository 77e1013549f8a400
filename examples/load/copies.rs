//! What the operating system's own tools need for the same copy.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::{Result, check};

/// Files below a directory, and their bytes.
#[derive(Clone, Copy, Default)]
pub struct Extent {
    pub files: u64,
    pub bytes: u64,
}

/// The time of `cp -r from to; sync`. `to` is removed again.
pub async fn copy_and_sync(from: PathBuf, to: PathBuf) -> Result<Duration> {
    blocking(move || {
        let begun = Instant::now();
        execute("cp", ["-r".as_ref(), from.as_os_str(), to.as_os_str()])?;
        execute("sync", [])?;
        let elapsed = begun.elapsed();
        fs::remove_dir_all(to)?;
        Ok(elapsed)
    })
    .await
}

/// Leaves nothing to be written out, so that what follows pays for itself only.
pub async fn sync() -> Result<()> {
    blocking(|| execute("sync", [])).await
}

pub fn extent(directory: &Path) -> Result<Extent> {
    let mut sum = Extent::default();
    for entry in fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))? {
        let found = entry?.metadata()?;
        if found.is_file() {
            sum = Extent { files: sum.files + 1, bytes: sum.bytes + found.len() };
        }
    }
    Ok(sum)
}

fn execute<const N: usize>(program: &str, args: [&OsStr; N]) -> Result<()> {
    let status = Command::new(program).args(args).status()?;
    check(status.success(), || format!("{program} ended with {status}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?
}
