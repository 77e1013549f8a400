//! Local files and directories that survive power loss: not only what is in them,
//! but that they are there.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

/// Creates a directory with its parents.
pub fn create_dir_all(directory: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(directory);
    while let Some(directory) = next.filter(|directory| !directory.as_os_str().is_empty() && !directory.exists()) {
        missing.push(directory);
        next = directory.parent();
    }
    std::fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(sync_parent)
}

/// Writes a small file, whole or not at all, over what was there. Nobody else writes
/// it at the same time.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let staged = path.with_extension("staged");
    let mut file = File::create(&staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&staged, path)?;
    sync_parent(path)
}

/// Makes durable that a file or a directory is there, or is not.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent_of(path))?.sync_all()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_files_are_made_again_and_again() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        for text in ["one", "two"] {
            create_dir_all(&below).unwrap();
            write(&below.join("file"), text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(below.join("file")).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(&below).unwrap().count(), 1);
        assert_eq!(parent_of(Path::new("file")), Path::new("."));
    }
}
