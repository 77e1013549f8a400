//! What an object of a database is, by its path.

use slatedb::object_store::path::Path;
use uuid::Uuid;

use crate::documents::paths::file_id;

/// The kinds of objects that have seals. The numbers are in the seals, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `manifest/<id>.manifest`
    Manifest = 1,
    /// `compactions/<id>.compactions`
    Compactions = 2,
    /// `wal/<id>.sst`
    Log = 3,
}

/// Whose an object is, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of which collection; that of a restore in preparation for its destination.
    pub uid: Uuid,
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub id: u64,
}

impl Place {
    /// The place of an object that has a seal; none for all others.
    pub fn of(path: &Path) -> Option<Self> {
        let (uid, folder, name) = split(path)?;
        let (kind, extension) = match folder {
            "manifest" => (Kind::Manifest, ".manifest"),
            "compactions" => (Kind::Compactions, ".compactions"),
            "wal" => (Kind::Log, ".sst"),
            _ => return None,
        };
        Some(Self { uid, kind, id: number(name, extension)? })
    }
}

/// Whether an object holds documents.
pub fn is_data_file(path: &Path) -> bool {
    split(path).is_some_and(|(_, folder, name)| folder == "compacted" && file_id(name).is_some())
}

/// The number in a name.
fn number(name: &str, extension: &str) -> Option<u64> {
    name.strip_suffix(extension)?.parse().ok()
}

fn split(path: &Path) -> Option<(Uuid, &str, &str)> {
    let mut parts = path.as_ref().split('/');
    if !matches!(parts.next()?, "collections" | "staging") {
        return None;
    }
    let uid = Uuid::parse_str(parts.next()?).ok()?;
    let (folder, name) = (parts.next()?, parts.next()?);
    parts.next().is_none().then_some((uid, folder, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_manifests_compactions_and_logs_have_seals() {
        let uid = Uuid::from_u128(7);
        for (path, kind) in [
            (format!("collections/{uid}/manifest/00000000000000000012.manifest"), Kind::Manifest),
            (format!("staging/{uid}/manifest/00000000000000000012.manifest"), Kind::Manifest),
            (format!("collections/{uid}/compactions/00000000000000000012.compactions"), Kind::Compactions),
            (format!("collections/{uid}/wal/00000000000000000012.sst"), Kind::Log),
        ] {
            assert_eq!(Place::of(&Path::from(path)), Some(Place { uid, kind, id: 12 }));
        }
        for other in [
            format!("collections/{uid}/ids.filter"),
            format!("collections/{uid}/compacted/00000000000000000012.sst"),
            format!("collections/{uid}/wal/12.manifest"),
            format!("collections/{uid}/damaged/wal/12.sst"),
            format!("files/{uid}"),
            "collections/notes/wal/12.sst".to_owned(),
            "stillframe.json".to_owned(),
        ] {
            assert_eq!(Place::of(&Path::from(other.as_str())), None, "{other}");
        }
        assert!(is_data_file(&Path::from(format!("collections/{uid}/compacted/01J00000000000000000000000.sst"))));
        assert!(!is_data_file(&Path::from(format!("collections/{uid}/wal/12.sst"))));
    }
}
