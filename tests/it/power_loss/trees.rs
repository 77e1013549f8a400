//! Directories to compare.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::Path};

/// What is below a directory: for each path the contents and the number of links of a
/// file, or nothing for a directory.
pub type Tree = BTreeMap<String, Option<(Vec<u8>, u64)>>;

pub fn tree(root: &Path) -> Tree {
    let (mut tree, mut directories) = (Tree::new(), vec![root.to_path_buf()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let about = path.symlink_metadata().unwrap();
            if about.is_dir() {
                tree.insert(name, None);
                directories.push(path);
            } else {
                tree.insert(name, Some((std::fs::read(&path).unwrap(), about.nlink())));
            }
        }
    }
    tree
}

/// In what two directories differ, each said in a line.
pub fn differences(one: &Path, other: &Path) -> Vec<String> {
    let (one, other) = (tree(one), tree(other));
    let about = |found: Option<&Option<(Vec<u8>, u64)>>| match found {
        None => "nothing".to_owned(),
        Some(None) => "a directory".to_owned(),
        Some(Some((contents, links))) => format!("{} bytes, links: {links}", contents.len()),
    };
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    names
        .filter(|name| one.get(*name) != other.get(*name))
        .map(|name| format!("{name}: {} and {}", about(one.get(name)), about(other.get(name))))
        .collect()
}
