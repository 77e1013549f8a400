//! A file that is being written, beside the name that it will have.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Call, create_dir_all, parent_of, pass, sync_parent};

/// Which file it is, whatever its names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// That of a file.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// That of the file under a name, if there is one.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(Self::of(&found))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A file without its name: it appears under that whole, or not at all. Until then it
/// is `NAME#N`, which an object store does not show, and which a start sweeps. It
/// goes when this is dropped.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    file: File,
}

impl Staged {
    /// An empty one, beside the name.
    pub fn create(destination: &Path) -> io::Result<Self> {
        pass(Call::Create, destination)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        loop {
            let path = unused(destination);
            match options.open(&path) {
                Ok(file) => return Ok(Self { path, file }),
                // Left by a killed process.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The same in a directory that may be missing.
    pub fn create_with_parents(destination: &Path) -> io::Result<Self> {
        match Self::create(destination) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_dir_all(parent_of(destination))?;
                Self::create(destination)
            }
            created => created,
        }
    }

    /// A second name of a file, to be moved over another.
    pub fn linked(from: &Path, destination: &Path) -> io::Result<Self> {
        let file = File::open(from)?;
        create_dir_all(parent_of(destination))?;
        loop {
            let path = unused(destination);
            pass(Call::Link, destination)?;
            match std::fs::hard_link(from, &path) {
                Ok(()) => return Ok(Self { path, file }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes behind what was written with this.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        pass(Call::Write, &self.path)?;
        io::Write::write_all(&mut &self.file, bytes)
    }

    /// Writes at an offset.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        pass(Call::Write, &self.path)?;
        self.file.write_all_at(bytes, offset)
    }

    /// Writes what is in another file, or in a piece of it; how many bytes that were. The
    /// kernel copies where it can.
    pub fn copy_from(&self, from: &mut io::Take<&mut File>) -> io::Result<u64> {
        pass(Call::Write, &self.path)?;
        io::copy(from, &mut &self.file)
    }

    /// Which file it is.
    pub fn identity(&self) -> io::Result<Identity> {
        Ok(Identity::of(&self.file.metadata()?))
    }

    /// Gives it a name that no file may have; false if one has. The directory is yet to
    /// be synced.
    pub fn link(&self, destination: &Path) -> io::Result<bool> {
        self.sync()?;
        pass(Call::Link, destination)?;
        let Err(error) = std::fs::hard_link(&self.path, destination) else { return Ok(true) };
        // Over a network it may be done, and the answer lost.
        match Identity::at(destination) {
            Ok(Some(found)) if found == self.identity()? => Ok(true),
            _ if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            _ => Err(error),
        }
    }

    /// Gives it its name, whatever file had it, durably.
    pub fn replace(self, destination: &Path) -> io::Result<()> {
        self.sync()?;
        pass(Call::Rename, destination)?;
        if let Err(error) = std::fs::rename(&self.path, destination)
            && Identity::at(destination).ok().flatten() != Some(self.identity()?)
        {
            return Err(error);
        }
        // Of two names of one file none goes; the other is dropped with this.
        sync_parent(destination)
    }

    fn sync(&self) -> io::Result<()> {
        pass(Call::SyncFile, &self.path)?;
        self.file.sync_all()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It is not there any more, or is swept at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A name that this process has not given before.
fn unused(destination: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut name = destination.as_os_str().to_owned();
    name.push(format!("#{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    name.into()
}
