//! Whether files under the root can have a second name.

use std::{fs::File, io, path::Path};

use super::Root;
use crate::clock::new_uid;

impl Root {
    /// Tries it: only the file system knows. False for a bucket.
    #[must_use]
    pub fn has_links(&self) -> bool {
        self.directory().is_some_and(|directory| try_link(directory).is_ok())
    }
}

/// The names are those of unfinished uploads: after a crash they are swept.
fn try_link(directory: &Path) -> io::Result<()> {
    let (_, number) = new_uid().as_u64_pair();
    let [file, link] = ["file", "link"].map(|kind| directory.join(format!("{kind}#{number}")));
    File::create_new(&file)?;
    let linked = std::fs::hard_link(&file, &link);
    std::fs::remove_file(&file)?;
    linked?;
    std::fs::remove_file(&link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Root::local(dir.path()).unwrap().has_links());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::remove_dir(dir.path()).unwrap();
        assert!(try_link(dir.path()).is_err());
    }
}
