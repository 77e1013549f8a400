//! Objects that are files of a directory.
//!
//! The object store's own local backend follows symbolic links, so that a link
//! in a shared directory would hand out any file that the server can read. Here
//! every step, from the root of the file system down, is opened by name in its
//! parent and never through a link: what was checked is what is read, whoever
//! changes the tree meanwhile. Only regular files count.

use std::{borrow::Cow, collections::BTreeMap, ffi::CStr, fs::File, os::fd::OwnedFd, sync::Arc};

use futures::StreamExt;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat},
    io::Errno,
    path::Arg,
};
use tokio_util::{io::ReaderStream, sync::CancellationToken};

use super::{ByteStream, Listed, NOT_UTF8, Objects, Opened, Part, Version, Wanted, escaped};
use crate::{
    error::Error,
    source::{access::Access, location::Location},
    tasks::Tasks,
};

/// What is read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Directories inside each other, so that a walk ends.
const MAX_DEPTH: usize = 100;
const CHANGED: &str = "it changes while it is looked at";

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
        let resolved = resolved.ok_or_else(|| Error::unreadable("it does not exist"))?;
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

    fn walk(&self, wanted: &Wanted, stop: &CancellationToken) -> Result<BTreeMap<String, Part>, Error> {
        let mut found = Listed::default();
        let mut start = self.root()?;
        for name in wanted.directory().split_terminator('/') {
            start = match directory_in(&start, name) {
                Ok(next) => next,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(found.into_parts()),
                Err(errno) => return Err(unreadable(errno)),
            };
        }
        let mut walk = Walk { wanted, found: &mut found, stop };
        match walk.directory(&start, wanted.directory(), None, MAX_DEPTH) {
            Ok(()) => Ok(found.into_parts()),
            Err(End::Of(error)) => Err(error),
            Err(End::Here(errno)) => Err(unreadable(errno)),
        }
    }

    fn file(&self, path: &str, version: &str) -> Result<Opened<File>, Error> {
        match open(self.root()?, path) {
            Ok((file, stat)) if is_file(&stat) && version_of(&stat) == version => Ok(Opened::Ready(File::from(file))),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => Ok(Opened::Unlike(CHANGED)),
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => Ok(Opened::Refused(what(errno))),
            Err(errno) => {
                let cause = Arc::new(std::io::Error::from(errno));
                Err(Error::SourceUnreadable { object: Some(path.to_owned()), why: what(errno), cause: Some(cause) })
            }
        }
    }
}

/// Opens a file below a directory.
fn open(mut place: OwnedFd, path: &str) -> Result<(OwnedFd, Stat), Errno> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    for name in directory.split_terminator('/') {
        place = directory_in(&place, name)?;
    }
    // NONBLOCK: a pipe that has taken the name must not hold us up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&place, name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    Ok((file, stat))
}

#[async_trait::async_trait]
impl Objects for Directory {
    async fn list(&self, wanted: Wanted) -> Result<BTreeMap<String, Part>, Error> {
        // Nobody may wait for it any more, and whoever comes next has its turn.
        let stop = self.tasks.stop_token().child_token();
        let _given_up = stop.clone().drop_guard();
        self.blocking(move |directory| directory.walk(&wanted, &stop)).await
    }

    async fn open(&self, path: &str, version: &str) -> Result<Opened<ByteStream>, Error> {
        let (path, version) = (path.to_owned(), version.to_owned());
        let file = self.blocking(move |directory| directory.file(&path, &version)).await?;
        Ok(file.map(|file| ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK_BYTES).boxed()))
    }
}

/// Why a walk ends early.
enum End {
    /// All of it, or the service, has to do with it.
    Of(Error),
    /// Only the directory where it is.
    Here(Errno),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Of(error)
    }
}

/// A look at everything below a directory.
struct Walk<'a> {
    wanted: &'a Wanted,
    found: &'a mut Listed,
    stop: &'a CancellationToken,
}

impl Walk<'_> {
    /// `refused` says why nothing below it can be read.
    fn directory(
        &mut self,
        directory: &OwnedFd,
        prefix: &str,
        refused: Option<&'static str>,
        depth: usize,
    ) -> Result<(), End> {
        for entry in Dir::read_from(directory).map_err(End::Here)? {
            // It may take long, and a stop waits for it.
            if self.stop.is_cancelled() {
                return Err(Error::ShuttingDown.into());
            }
            let entry = entry.map_err(End::Here)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                // Gone since the directory was read.
                Err(Errno::NOENT) => continue,
                stat => stat.map_err(End::Here)?,
            };
            let (shown, refused) = match name.to_str() {
                Ok(name) => (Cow::Borrowed(name), refused),
                Err(_) => (Cow::Owned(escaped(name.to_bytes())), Some(NOT_UTF8)),
            };
            let path = format!("{prefix}{shown}");
            if is_file(&stat) {
                self.wanted.take(self.found, path, refused.map(Cow::Borrowed), || Ok(version_of(&stat)))?;
            } else if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth > 1 {
                self.below(directory, name, format!("{path}/"), refused, depth - 1, &stat)?;
            }
        }
        Ok(())
    }

    /// A directory in another one. If it cannot be read it is an object that cannot: what
    /// might be in it is nothing to others.
    fn below(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        path: String,
        refused: Option<&'static str>,
        depth: usize,
        stat: &Stat,
    ) -> Result<(), End> {
        let opened = directory_in(parent, name).map_err(End::Here);
        match opened.and_then(|directory| self.directory(&directory, &path, refused, depth)) {
            Err(End::Here(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => Ok(()),
            Err(End::Here(errno)) if !is_ours(errno) => {
                let why = format!("the directory cannot be read: {}", what(errno));
                // Whatever becomes of what is in it: it is counted once.
                let version = format!("{:x}-{}", stat.st_ino, errno.raw_os_error());
                Ok(self.wanted.refuse(self.found, path, why.into(), version)?)
            }
            walked => walked,
        }
    }
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

/// Whether it is this process that has too little of something.
fn is_ours(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

/// What is wrong, without saying where.
fn what(error: Errno) -> String {
    std::io::Error::from(error).kind().to_string()
}

fn unreadable(error: Errno) -> Error {
    let cause = Arc::new(std::io::Error::from(error));
    Error::SourceUnreadable { object: None, why: what(error), cause: Some(cause) }
}

#[cfg(test)]
mod tests;
