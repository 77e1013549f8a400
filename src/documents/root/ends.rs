//! How far a database in a local directory has got: the numbers of its newest manifest
//! and log, in a small file beside them.
//!
//! Nothing else says so while it is open: its own objects say what is there, and not
//! what is missing at their end. The file is written over in place when an object has
//! become durable, and never synced: it may be behind after power loss, by what the
//! kernel had not written yet, but it is never ahead. What is not whole, or another's,
//! is no file.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path as FilePath, PathBuf},
};

use parking_lot::Mutex;
use slatedb::object_store::path::Path;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::documents::{
    paths::collection,
    sealed::{Kind, Place},
};

/// The name of the file.
pub const END: &str = "end";
const MAGIC: &[u8; 16] = b"stillframe-end1\n";
/// Magic, two numbers, little endian, and the XXH3-128 of those and the uid.
const LEN: usize = 48;
const HASHED: usize = LEN - 16;
/// Databases that share a lock.
const LOCKS: usize = 16;

/// The newest objects that a database has had; 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The newest manifest.
    pub manifest_id: u64,
    /// The newest log.
    pub log_id: u64,
}

/// Writes the ends of the databases below a directory.
#[derive(Debug, Default)]
pub struct Ends {
    locks: [Mutex<()>; LOCKS],
}

impl Ends {
    /// Notes an object that has been created, and is durable. One that was not noted
    /// costs nothing but what this is for.
    pub fn note(&self, directory: &FilePath, object: &Path) {
        let Some(place) = Place::of(object).filter(|place| object.prefix_matches(&collection(place.uid))) else {
            return;
        };
        let mut end = End::default();
        match place.kind {
            Kind::Manifest => end.manifest_id = place.id,
            Kind::Log => end.log_id = place.id,
            Kind::Compactions => return,
        }
        if let Err(error) = self.raise(directory, place.uid, end) {
            tracing::debug!(%error, %object, "the end of a database was not noted");
        }
    }

    fn raise(&self, directory: &FilePath, uid: Uuid, to: End) -> io::Result<()> {
        // What is there counts, not what was written: a database may have been removed
        // and begun again.
        let _lock = self.locks[usize::from(uid.as_bytes()[15]) % LOCKS].lock();
        let path = path(directory, uid);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let had = read(&file, uid).unwrap_or_default();
        let end = End { manifest_id: had.manifest_id.max(to.manifest_id), log_id: had.log_id.max(to.log_id) };
        file.write_all_at(&encode(uid, end), 0)
    }
}

/// How far a database had got, as far as that is known.
pub fn end(directory: &FilePath, uid: Uuid) -> io::Result<Option<End>> {
    match File::open(path(directory, uid)) {
        Ok(file) => Ok(read(&file, uid)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn path(directory: &FilePath, uid: Uuid) -> PathBuf {
    directory.join(collection(uid).join(END).as_ref())
}

fn read(file: &File, uid: Uuid) -> Option<End> {
    let mut bytes = [0; LEN];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let number = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes);
    let end = End { manifest_id: number(16).ok()?, log_id: number(24).ok()? };
    (bytes == encode(uid, end)).then_some(end)
}

fn encode(uid: Uuid, end: End) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[..16].copy_from_slice(MAGIC);
    bytes[16..24].copy_from_slice(&end.manifest_id.to_le_bytes());
    bytes[24..HASHED].copy_from_slice(&end.log_id.to_le_bytes());
    let hash = xxh3_128(&[&bytes[..HASHED], uid.as_bytes()].concat());
    bytes[HASHED..].copy_from_slice(&hash.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: Uuid = Uuid::from_u128(7);

    fn object(folder: &str, name: &str) -> Path {
        collection(UID).join(folder).join(name)
    }

    #[test]
    fn it_goes_on_and_never_back_and_is_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let ends = Ends::default();
        let seen = || end(dir.path(), UID).unwrap();
        assert_eq!(seen(), None);
        std::fs::create_dir_all(dir.path().join(collection(UID).as_ref())).unwrap();
        let log = |id: u64| object("wal", &format!("{id:020}.sst"));
        for (noted, manifest_id, log_id) in [
            (log(2), 0, 2),
            (object("manifest", "00000000000000000003.manifest"), 3, 2),
            (log(1), 3, 2),
            (object("compactions", "00000000000000000009.compactions"), 3, 2),
            (Path::from(format!("staging/{UID}/manifest/00000000000000000009.manifest")), 3, 2),
            (log(12), 3, 12),
        ] {
            ends.note(dir.path(), &noted);
            assert_eq!(seen(), Some(End { manifest_id, log_id }), "{noted}");
        }

        let file = path(dir.path(), UID);
        let whole = std::fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, changed).unwrap();
            assert_eq!(seen(), None, "bit {bit}");
        }
        std::fs::write(&file, &whole[..LEN - 1]).unwrap();
        assert_eq!(seen(), None);
        std::fs::write(&file, encode(Uuid::from_u128(8), End::default())).unwrap();
        assert_eq!(seen(), None);
        ends.note(dir.path(), &log(4));
        assert_eq!(seen(), Some(End { manifest_id: 0, log_id: 4 }));
    }
}
