//! Goes on after a write of the index that failed.
//!
//! sled takes no write behind one that failed, though it goes on reading. All records are
//! in it, and the log has them anyway: so they are copied to a database beside it, and
//! added up against the log. The next start finds the old one, which is behind, reads
//! what the log has had since, and removes what is beside it.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Index, TIP, Trees};
use crate::{error::Error, records::checksum::Checksum};

/// Entries that are copied in one batch.
const AT_ONCE: usize = 1_000;

impl Index {
    /// Makes a batch, which has failed, in a new database with all that is in this one.
    /// Nobody changes it meanwhile.
    pub(super) fn renew(&self, failed: &sled::Error, batch: sled::Batch, sum: &Checksum) -> Result<(), Error> {
        let mut old = self.trees.read().clone();
        let directory = next(&old.directory);
        tracing::warn!(error = %failed, directory = %directory.display(), "the index cannot be written; another one is made");
        // The lock of the old one says whose they are.
        let new = Trees { before: old.before.take().or(Some(old.db.clone())), ..Trees::open(&directory)? };
        copy(&old.records, &new.records)?;
        if let Err(error) = copy(&old.cache, &new.cache) {
            tracing::warn!(error = error.in_full(), "what may be lost is lost");
        }
        new.records.apply_batch(batch)?;
        if new.checksum()? != *sum {
            return Err(Error::DataLoss("the index of the records is damaged".to_owned()));
        }
        *self.trees.write() = new;
        Ok(())
    }
}

fn copy(from: &sled::Tree, to: &sled::Tree) -> Result<(), Error> {
    let (mut batch, mut count) = (sled::Batch::default(), 0);
    for entry in from {
        let (key, value) = entry?;
        // The batch that failed brings another, and may have been made in part.
        if *key != *TIP {
            batch.insert(key, value);
            count += 1;
        }
        if count == AT_ONCE {
            to.apply_batch(std::mem::take(&mut batch))?;
            count = 0;
        }
    }
    Ok(to.apply_batch(batch)?)
}

/// What the names of such directories begin with.
fn prefix(directory: &Path) -> String {
    let name = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let base = name.split('.').next().unwrap_or_default();
    format!("{base}.renewed-")
}

/// One that is not there.
fn next(directory: &Path) -> PathBuf {
    let free = (1..).map(|n: u64| directory.with_file_name(format!("{}{n}", prefix(directory))));
    free.into_iter().find(|path| !path.exists()).unwrap_or_else(|| directory.to_owned())
}

/// Removes those of earlier processes.
pub(super) fn remove_all(directory: &Path) {
    if let Err(error) = try_remove_all(directory) {
        // It is in nobody's way.
        tracing::warn!(%error, directory = %directory.display(), "what is left beside the index stays");
    }
}

fn try_remove_all(directory: &Path) -> io::Result<()> {
    let beside = directory.parent().filter(|parent| parent.is_dir());
    let Some(beside) = beside else { return Ok(()) };
    for entry in std::fs::read_dir(beside)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix(directory)) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        records::{
            entry::{Hash, Tip},
            index,
        },
        stored::RecordWrite,
    };

    const INSTANCE: Uuid = Uuid::from_u128(1);

    fn write(key: &str, value: Option<&str>) -> RecordWrite {
        RecordWrite { key: key.into(), value: value.map(Into::into) }
    }

    fn apply(index: &Index, before: &Tip, writes: &[RecordWrite]) -> Tip {
        let revision = before.revision + 1;
        let listed = writes.iter().map(|write| (write.key.as_slice(), write.value.as_deref()));
        let checksum = index.checksum_after(before.checksum, revision, listed).unwrap();
        let tip = Tip { revision, checksum, ..*before };
        index.apply(INSTANCE, &tip, writes, &index.before(writes).unwrap()).unwrap();
        tip
    }

    #[test]
    fn all_goes_on_beside_what_failed_and_is_gone_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("metadata");
        let index = Index::open(&directory).unwrap();
        let start = Tip { revision: 0, hash: Hash::of(b""), checksum: Checksum::default() };
        let mut tip = start;
        for n in 0..2 * AT_ONCE {
            tip = apply(&index, &tip, &[write(&format!("x/{n:05}"), Some("value"))]);
        }
        index.cache().insert("known", "value").unwrap();
        for round in 1..=2 {
            // As if sled had refused the next one.
            let mut batch = sled::Batch::default();
            batch.insert(TIP, "another");
            let failed = sled::Error::Unsupported("for a test".to_owned());
            assert!(index.renew(&failed, batch.clone(), &Checksum::default()).is_err(), "they add up to another sum");
            index.renew(&failed, batch, &tip.checksum).unwrap();
            assert_eq!(index.checksum().unwrap(), tip.checksum, "round {round}");
            assert!(index::is_locked(&Index::open(&directory).err().unwrap()), "nobody else is let in");
            assert_eq!(index.cache().get("known").unwrap().unwrap(), "value");
            tip = apply(&index, &tip, &[write("x/00001", None), write("x/new", Some("value"))]);
        }
        drop(index);
        Index::open(&directory).unwrap();
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["metadata"]);
    }
}
