//! Objects that are files of a directory.
//!
//! The object store's own local backend follows symbolic links, so that a link
//! in a shared directory would hand out any file that the server can read. Here
//! every step, from the root of the file system down, is opened by name in its
//! parent and never through a link: what was checked is what is read, whoever
//! changes the tree meanwhile. Only regular files count.

use std::{borrow::Cow, collections::BTreeMap, ffi::CStr, fmt::Write, fs::File, os::fd::OwnedFd, sync::Arc};

use futures::StreamExt;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat},
    io::Errno,
    path::Arg,
};
use tokio_util::{io::ReaderStream, sync::CancellationToken};

use super::{ByteStream, Objects, Part, Version, Wanted};
use crate::{
    error::Error,
    source::{access::Access, location::Location},
    tasks::Tasks,
};

/// What is read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Directories inside each other, so that a walk ends.
const MAX_DEPTH: usize = 100;
/// Names of objects are text in the contract and in the marks.
const NOT_UTF8: &str = "its name is not UTF-8: rename it";

/// A directory that the operator allows. Clones share it.
#[derive(Clone)]
pub struct Directory {
    location: Location,
    access: Arc<Access>,
    tasks: Tasks,
}

impl Directory {
    /// The directory of a `file` location.
    #[must_use]
    pub fn new(location: Location, access: Arc<Access>, tasks: Tasks) -> Self {
        Self { location, access, tasks }
    }

    /// Runs what blocks where it may.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let directory = self.clone();
        let joined = self.tasks.blocking("source directory", move || call(&directory)).await;
        joined.map_err(|panicked| Error::Internal(Arc::new(panicked)))?
    }

    /// Opens the directory, wherever links on the way to it lead, as long as it
    /// is allowed there.
    fn root(&self) -> Result<OwnedFd, Error> {
        let resolved = self.access.resolve(&self.location)?;
        let resolved = resolved.ok_or_else(|| Error::SourceUnreadable("it does not exist".to_owned()))?;
        let step = |parent: &OwnedFd, name: &str, last: bool| {
            // Nothing is read of those on the way, and perhaps nothing may be.
            let access = if last { OFlags::RDONLY } else { OFlags::PATH };
            openat(parent, name, access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        };
        let mut place = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(unreadable)?;
        let (last, parents) = match resolved.segments().split_last() {
            Some((last, parents)) => (last.as_str(), parents),
            None => (".", [].as_slice()),
        };
        for name in parents {
            place = step(&place, name, false).map_err(unreadable)?;
        }
        step(&place, last, true).map_err(unreadable)
    }

    fn walk(&self, wanted: &Wanted) -> Result<BTreeMap<String, Part>, Error> {
        let mut found = BTreeMap::new();
        let mut start = self.root()?;
        for name in wanted.directory().split_terminator('/') {
            start = match directory_in(&start, name) {
                Ok(next) => next,
                Err(_) => return Ok(found),
            };
        }
        let mut walk = Walk { wanted, found: &mut found, stop: self.tasks.stop_token() };
        walk.directory(&start, wanted.directory(), None, MAX_DEPTH)?;
        Ok(found)
    }

    fn file(&self, path: &str, version: &str) -> Result<Option<File>, Error> {
        let mut place = self.root()?;
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        for name in directory.split_terminator('/') {
            place = match directory_in(&place, name) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                opened => opened.map_err(unreadable)?,
            };
        }
        // NONBLOCK: a pipe that has taken the name must not hold us up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&place, name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            opened => opened.map_err(unreadable)?,
        };
        let stat = fstat(&file).map_err(unreadable)?;
        Ok((is_file(&stat) && version_of(&stat) == version).then(|| File::from(file)))
    }
}

#[async_trait::async_trait]
impl Objects for Directory {
    async fn list(&self, wanted: Wanted) -> Result<BTreeMap<String, Part>, Error> {
        self.blocking(move |directory| directory.walk(&wanted)).await
    }

    async fn open(&self, path: &str, version: &str) -> Result<Option<ByteStream>, Error> {
        let (path, version) = (path.to_owned(), version.to_owned());
        let file = self.blocking(move |directory| directory.file(&path, &version)).await?;
        Ok(file.map(|file| ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK_BYTES).boxed()))
    }
}

/// A look at everything below a directory.
struct Walk<'a> {
    wanted: &'a Wanted,
    found: &'a mut BTreeMap<String, Part>,
    stop: CancellationToken,
}

impl Walk<'_> {
    /// `refused` says why nothing below it can be read.
    fn directory(
        &mut self,
        directory: &OwnedFd,
        prefix: &str,
        refused: Option<&'static str>,
        depth: usize,
    ) -> Result<(), Error> {
        for entry in Dir::read_from(directory).map_err(unreadable)? {
            // It may take long, and a stop waits for it.
            if self.stop.is_cancelled() {
                return Err(Error::ShuttingDown);
            }
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                // Gone since the directory was read.
                Err(Errno::NOENT) => continue,
                stat => stat.map_err(unreadable)?,
            };
            let (shown, refused) = match name.to_str() {
                Ok(name) => (Cow::Borrowed(name), refused),
                Err(_) => (Cow::Owned(escaped(name)), Some(NOT_UTF8)),
            };
            let path = format!("{prefix}{shown}");
            if is_file(&stat) {
                self.wanted.take(self.found, path, refused, || Ok(version_of(&stat)))?;
            } else if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth > 1 {
                match directory_in(directory, name) {
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    below => self.directory(&below.map_err(unreadable)?, &format!("{path}/"), refused, depth - 1)?,
                }
            }
        }
        Ok(())
    }
}

/// A name that is not UTF-8, for people: each byte that is no part of a letter as `\xE9`.
fn escaped(name: &CStr) -> String {
    let mut text = String::new();
    for chunk in name.to_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

fn directory_in(parent: &OwnedFd, name: impl Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Another file, another time or another size is another content. Who writes may put the time of the content back, as
/// `touch -r` does, but not that of the last change of the file.
fn version_of(stat: &Stat) -> Version {
    let Stat { st_ino, st_size, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec, .. } = stat;
    format!("{st_ino:x}-{st_mtime:x}.{st_mtime_nsec:x}-{st_ctime:x}.{st_ctime_nsec:x}-{st_size:x}")
}

/// What is wrong, without saying where.
fn unreadable(error: Errno) -> Error {
    Error::SourceUnreadable(std::io::Error::from(error).kind().to_string())
}
