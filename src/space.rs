//! Room on the disks. Before one is full the service takes nothing in that would
//! make it larger: what was acknowledged must still be merged, deleted and
//! recorded, and a disk without a byte left allows none of that.
//!
//! A volume is full when less than its reserve is free, and has room again when
//! a quarter more than that is: a disk at the edge does not turn with every
//! write. What was taken in before it turned full may still be written; that is
//! what the reserve is for.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::MissedTickBehavior;

use crate::{error::Error, tasks::Tasks};

/// The reserve, unless an operator says otherwise: the larger of these bytes and
/// of this part of the file system.
const RESERVE_BYTES: u64 = 512 << 20;
const RESERVE_PART: u64 = 50;
/// What must be free before a collection whose disk was full to the last byte is opened
/// to write again: each attempt writes a little, and must not take the last of it.
const LEAST: u64 = 1 << 20;

/// The file systems that the service writes to. Clones share what is known of
/// them; the default knows none, and always has room.
#[derive(Clone, Debug, Default)]
pub struct Space {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Where the storage root is, if it is a directory.
    storage: Option<Volume>,
    /// Where the index of the records is, if that is elsewhere.
    index: Option<Volume>,
}

/// A file system as it was at the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The directory in it.
    pub directory: PathBuf,
    /// The bytes that may still be used, if it says so.
    pub free: Option<u64>,
    /// All of its bytes, if it says so.
    pub size: Option<u64>,
    /// The bytes that are to stay free.
    pub reserve: u64,
    /// Whether it takes nothing in.
    pub full: bool,
}

/// One file system, as it was at the last look.
#[derive(Debug)]
struct Volume {
    directory: PathBuf,
    /// What an operator wants to be free.
    wanted: Option<u64>,
    free: AtomicU64,
    /// 0 when it does not say.
    size: AtomicU64,
    reserve: AtomicU64,
    full: AtomicBool,
    /// It did not say how much is free, and the log says so.
    silent: AtomicBool,
}

impl Space {
    /// Watches the data directory and, if it is local, the storage root, and
    /// looks at both. `wanted` stands for the reserve of each.
    #[must_use]
    pub fn watching(data_dir: &Path, storage: Option<&Path>, wanted: Option<u64>) -> Self {
        let volume = |directory: &Path| Volume::new(directory.to_owned(), wanted);
        let device = |directory: &Path| std::fs::metadata(directory).map(|found| found.dev()).ok();
        let is_same = storage.is_some_and(|storage| device(storage) == device(data_dir));
        let inner = Inner { storage: storage.map(volume), index: (!is_same).then(|| volume(data_dir)) };
        let space = Self { inner: Arc::new(inner) };
        space.look();
        space
    }

    /// What is known of each disk.
    pub fn disks(&self) -> impl Iterator<Item = Disk> + '_ {
        self.volumes().map(Volume::disk)
    }

    /// Looks again every so often, until the service stops.
    pub async fn watch(self, every: Duration, tasks: Tasks) {
        let stop = tasks.stop_token();
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let space = self.clone();
            // A disk that does not answer must not hold up who shares the thread.
            if let Some(Err(panicked)) =
                stop.run_until_cancelled(tasks.blocking("space look", move || space.look())).await
            {
                tracing::error!(%panicked, "the free space could not be looked at");
            }
        }
    }

    /// Refuses what makes the service larger while there is no room for it.
    pub fn admit(&self) -> Result<(), Error> {
        self.volumes().try_for_each(Volume::admit)
    }

    /// Refuses to copy so many bytes into the storage root if they would leave
    /// less than the reserve.
    pub fn admit_bytes(&self, bytes: u64) -> Result<(), Error> {
        self.admit()?;
        self.inner.storage.as_ref().map_or(Ok(()), |storage| storage.admit_bytes(bytes))
    }

    /// Whether a disk that has refused to take a byte more has room to be written to
    /// again, if only by what gives more of it back.
    #[must_use]
    pub fn has_least(&self) -> bool {
        self.volumes().all(|volume| volume.free.load(Ordering::Relaxed) >= LEAST)
    }

    /// What is said until it has.
    #[must_use]
    pub fn refusal(&self) -> Error {
        let storage = self.inner.storage.as_ref();
        let free = storage.map_or(0, |storage| storage.free.load(Ordering::Relaxed));
        let enough = storage.map_or(0, |storage| enough(storage.reserve()));
        // A quota may be used up on a disk that has room.
        Error::StorageFull { free, needed: enough.max(LEAST).max(free.saturating_add(1)) }
    }

    fn look(&self) {
        self.volumes().for_each(Volume::look);
    }

    fn volumes(&self) -> impl Iterator<Item = &Volume> {
        let Inner { storage, index } = self.inner.as_ref();
        storage.iter().chain(index)
    }
}

impl Volume {
    fn new(directory: PathBuf, wanted: Option<u64>) -> Self {
        Self {
            directory,
            wanted,
            free: AtomicU64::new(u64::MAX),
            size: AtomicU64::new(0),
            reserve: AtomicU64::new(0),
            full: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        }
    }

    fn admit(&self) -> Result<(), Error> {
        if self.full.load(Ordering::Relaxed) { Err(self.refusal(enough(self.reserve()))) } else { Ok(()) }
    }

    fn admit_bytes(&self, bytes: u64) -> Result<(), Error> {
        let needed = self.reserve().saturating_add(bytes);
        if self.free.load(Ordering::Relaxed) < needed { Err(self.refusal(needed)) } else { Ok(()) }
    }

    fn disk(&self) -> Disk {
        let (free, size) = (self.free.load(Ordering::Relaxed), self.size.load(Ordering::Relaxed));
        Disk {
            directory: self.directory.clone(),
            free: (size > 0).then_some(free),
            size: (size > 0).then_some(size),
            reserve: self.reserve(),
            full: self.full.load(Ordering::Relaxed),
        }
    }

    fn reserve(&self) -> u64 {
        self.reserve.load(Ordering::Relaxed)
    }

    fn refusal(&self, needed: u64) -> Error {
        Error::StorageFull { free: self.free.load(Ordering::Relaxed), needed }
    }

    fn look(&self) {
        match rustix::fs::statvfs(&self.directory) {
            Ok(found) => {
                self.silent.store(false, Ordering::Relaxed);
                let [free, size] = [found.f_bavail, found.f_blocks].map(|blocks| blocks.saturating_mul(found.f_frsize));
                self.found(free, size);
            }
            Err(error) => {
                // Better to write on than to refuse everything for want of a number.
                if !self.silent.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, directory = %self.directory.display(), "the disk does not say how much is free");
                }
                self.found(u64::MAX, 0);
            }
        }
    }

    /// Notes what a look has found.
    fn found(&self, free: u64, size: u64) {
        let reserve = self.wanted.unwrap_or_else(|| reserve_of(size));
        self.free.store(free, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
        self.reserve.store(reserve, Ordering::Relaxed);
        let was_full = self.full.load(Ordering::Relaxed);
        let full = is_full(was_full, free, reserve);
        self.full.store(full, Ordering::Relaxed);
        let directory = self.directory.display();
        if full && !was_full {
            let needed = enough(reserve);
            tracing::warn!(%directory, free, needed, "the disk is nearly full; only what makes room goes on");
        } else if was_full && !full {
            tracing::info!(%directory, free, "the disk has room again");
        }
    }
}

/// What is kept free of a file system of this size.
fn reserve_of(size: u64) -> u64 {
    RESERVE_BYTES.max(size / RESERVE_PART)
}

/// What must be free for a full volume to have room again.
fn enough(reserve: u64) -> u64 {
    reserve.saturating_add(reserve / 4)
}

fn is_full(was_full: bool, free: u64, reserve: u64) -> bool {
    free < if was_full { enough(reserve) } else { reserve }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_turns_full_below_the_reserve_and_back_at_a_quarter_more() {
        assert!(!is_full(false, 100, 100));
        assert!(is_full(false, 99, 100));
        assert!(is_full(true, 100, 100));
        assert!(is_full(true, 124, 100));
        assert!(!is_full(true, 125, 100));
        for was_full in [false, true] {
            assert!(!is_full(was_full, 0, 0), "without a reserve it is never full");
            assert!(is_full(was_full, u64::MAX - 1, u64::MAX), "no overflow");
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_has_no_figures() {
        let volume = Volume::new("unused".into(), Some(7));
        volume.found(1, 2);
        let disk = Disk { directory: "unused".into(), free: Some(1), size: Some(2), reserve: 7, full: true };
        assert_eq!(volume.disk(), disk);
        volume.found(u64::MAX, 0);
        assert_eq!(volume.disk(), Disk { free: None, size: None, full: false, ..disk });
    }

    #[test]
    fn the_reserve_is_half_a_gibibyte_or_two_percent() {
        assert_eq!(reserve_of(0), 512 << 20);
        assert_eq!(reserve_of(25 << 30), 512 << 20);
        assert_eq!(reserve_of(100 << 30), 2 << 30);
    }

    #[test]
    fn what_is_refused_says_what_is_free_and_what_must_be() {
        let volume = Volume::new("unused".into(), Some(1000));
        let refusal = |refused: Result<(), Error>| match refused {
            Err(Error::StorageFull { free, needed }) => Some((free, needed)),
            _ => None,
        };
        volume.found(1000, 5000);
        assert!(volume.admit().is_ok() && volume.admit_bytes(0).is_ok());
        assert_eq!(refusal(volume.admit_bytes(1)), Some((1000, 1001)));
        volume.found(999, 5000);
        assert_eq!(refusal(volume.admit()), Some((999, 1250)));
        volume.found(1249, 5000);
        assert_eq!(refusal(volume.admit()), Some((1249, 1250)));
        volume.found(1250, 5000);
        assert!(volume.admit().is_ok() && volume.admit_bytes(250).is_ok());
        assert_eq!(refusal(volume.admit_bytes(251)), Some((1250, 1251)));
    }

    #[test]
    fn what_a_full_disk_refuses_says_that_more_must_be_free_than_is() {
        for (free, reserve, has_least) in [(0, 0, false), (LEAST - 1, 0, false), (LEAST, 0, true), (LEAST, LEAST, true)]
        {
            let volume = Volume::new("unused".into(), Some(reserve));
            volume.found(free, 0);
            let space = Space { inner: Arc::new(Inner { storage: Some(volume), index: None }) };
            assert_eq!(space.has_least(), has_least);
            match space.refusal() {
                Error::StorageFull { free: said, needed } => assert!(said == free && needed > free && needed >= LEAST),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_is_not_full() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::watching(&dir.path().join("nowhere"), Some(dir.path()), Some(u64::MAX));
        assert!(matches!(space.admit(), Err(Error::StorageFull { free: 1.., needed: u64::MAX })));
        let space = Space::watching(&dir.path().join("nowhere"), None, Some(u64::MAX - 1));
        assert!(space.admit().is_ok());
        assert!(Space::default().admit_bytes(u64::MAX).is_ok());
        assert!(space.has_least() && Space::default().has_least());
        assert!(matches!(space.refusal(), Error::StorageFull { free: 0, needed: LEAST }));
    }

    #[test]
    fn two_directories_of_one_disk_are_looked_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::watching(dir.path(), Some(dir.path()), None);
        assert_eq!(space.volumes().count(), 1);
    }
}
