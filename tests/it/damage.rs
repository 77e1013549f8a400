//! Damage to stored objects: what it may harm, and how it is told.

mod lists;
mod matrix;

use std::path::{Path, PathBuf};

/// The newest manifest of a database.
fn newest_manifest(database: &Path) -> PathBuf {
    let entries = std::fs::read_dir(database.join("manifest")).unwrap();
    let manifests = entries.map(|entry| entry.unwrap().path());
    manifests.filter(|path| path.extension().is_some_and(|end| end == "manifest")).max().unwrap()
}
