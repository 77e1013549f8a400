//! Damage of what databases are made of is said with the name of the object, at once,
//! and never served as data; nothing is deleted because of it, and the rest goes on.

pub mod accept;
mod files;
mod given;
mod lists;
mod logs;
mod manifests;
mod matrix;
mod older;
mod trim;

use std::path::{Path, PathBuf};

/// The newest manifest of a database.
fn newest_manifest(database: &Path) -> PathBuf {
    let entries = std::fs::read_dir(database.join("manifest")).unwrap();
    let manifests = entries.map(|entry| entry.unwrap().path());
    manifests.filter(|path| path.extension().is_some_and(|end| end == "manifest")).max().unwrap()
}
