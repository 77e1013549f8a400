//! What a start has made before it was known whether it may: all of it goes again if it
//! may not.

use std::path::{Path, PathBuf};

use crate::durable;

/// Files and directories that are to go.
#[derive(Debug, Default)]
pub struct Fresh {
    file: Option<PathBuf>,
    /// The lowest first.
    directories: Vec<PathBuf>,
}

impl Fresh {
    /// Of a directory that is about to be made with its parents: those that are missing.
    #[must_use]
    pub fn directory(directory: &Path) -> Self {
        let directories = durable::missing(directory).into_iter().map(Path::to_owned).collect();
        Self { file: None, directories }
    }

    /// And a file that was just made there.
    #[must_use]
    pub fn with_file(mut self, file: PathBuf) -> Self {
        self.file = Some(file);
        self
    }

    /// It stays.
    pub fn keep(mut self) {
        self.file = None;
        self.directories.clear();
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = self.file.take().map(std::fs::remove_file);
        // Those in which there is something else by now stay.
        for directory in self.directories.drain(..) {
            let _ = std::fs::remove_dir(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_unless_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        let make = || {
            let fresh = Fresh::directory(&below);
            durable::ensure_dir(&below).unwrap();
            std::fs::write(below.join("lock"), "").unwrap();
            fresh.with_file(below.join("lock"))
        };
        drop(make());
        assert!(!dir.path().join("a").exists());
        make().keep();
        assert!(below.join("lock").exists());
        drop(Fresh::directory(&below));
        assert!(below.exists(), "it was there before");
    }
}
