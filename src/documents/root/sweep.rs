//! Clears a local directory of what a killed process left half-written.

use std::path::{Path as FilePath, PathBuf};

use uuid::Uuid;

use super::Root;
use crate::documents::paths::{collection, staging};

impl Root {
    /// Removes what uploads and copies left half-done when the process was
    /// killed, of our own objects and of these collections. The store hides
    /// such files, so nothing else ever would. In a bucket
    /// there are none: an upload is there as a whole, or is not.
    pub fn sweep_unfinished_uploads(&self, known: impl IntoIterator<Item = Uuid>) -> std::io::Result<usize> {
        // The marker's; below the root, only what is ours is entered.
        let Some(root) = self.directory() else { return Ok(0) };
        let mut swept = sweep(root, None)?;
        // Of directories that were synced again.
        for folder in ["collections", "staging"] {
            swept += sweep(&root.join(folder), None)?;
        }
        let mut directories = ["records", "files", "manifests"].map(|folder| root.join(folder)).to_vec();
        for uid in known {
            directories.extend([collection(uid), staging(uid)].map(|prefix| root.join(prefix.as_ref())));
        }
        while let Some(directory) = directories.pop() {
            swept += sweep(&directory, Some(&mut directories))?;
        }
        Ok(swept)
    }
}

/// Removes the unfinished uploads in one directory, and lists those below.
fn sweep(directory: &FilePath, mut below: Option<&mut Vec<PathBuf>>) -> std::io::Result<usize> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut swept = 0;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if let Some(below) = &mut below {
                below.push(entry.path());
            }
        } else if is_unfinished(&entry.file_name().to_string_lossy()) {
            std::fs::remove_file(entry.path())?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// `NAME#N` is an upload, `NAME.sst#copy` a copy of version 0.1.0.
fn is_unfinished(name: &str) -> bool {
    let suffix = name.rsplit_once('#').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| suffix == "copy" || suffix.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn unfinished_uploads_of_ours_are_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::local(dir.path()).unwrap();
        let (known, unknown) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let ours = collection(known).join("wal").join("1.sst");
        assert!(root.put_new(&ours, Bytes::from_static(b"x")).await.unwrap());
        assert!(!root.put_new(&ours, Bytes::from_static(b"y")).await.unwrap());
        let theirs = collection(unknown).join("1.sst");
        root.put(&theirs, Bytes::from_static(b"x")).await.unwrap();
        std::fs::write(dir.path().join("stillframe.json#1"), b"half").unwrap();
        std::fs::write(root.file(&ours).unwrap().with_file_name("2.sst#3"), b"half").unwrap();
        std::fs::write(root.file(&ours).unwrap().with_file_name("2.sst#copy"), b"half").unwrap();
        std::fs::write(root.file(&ours).unwrap().with_file_name("notes#on-this"), b"whole").unwrap();
        std::fs::write(root.file(&theirs).unwrap().with_file_name("2.sst#3"), b"whole").unwrap();
        std::fs::write(dir.path().join("collections/sync#4"), b"").unwrap();
        assert_eq!(root.sweep_unfinished_uploads([known]).unwrap(), 4);
        assert_eq!(root.get(&ours).await.unwrap().unwrap(), "x");
        assert!(root.file(&ours).unwrap().with_file_name("notes#on-this").exists());
        assert!(root.file(&theirs).unwrap().with_file_name("2.sst#3").exists());
    }
}
