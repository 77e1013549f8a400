//! Whether a place can be used, asked before anything is made in it.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::fs::{Access, access};

use crate::durable::parent_of;

/// What of a mode lets others than the owner see or change something. Passage alone
/// (`chmod 711`, for those who write to `import`) shows nothing.
const OTHERS: u32 = 0o066;

/// A directory to be written to, which may be missing.
pub fn check_directory(directory: &Path) -> io::Result<()> {
    let mut missing = directory;
    loop {
        match std::fs::metadata(missing) {
            Ok(found) if found.is_dir() && missing == directory => return may(missing, Access::READ_OK),
            Ok(found) if found.is_dir() => return may(missing, Access::EXISTS),
            Ok(_) => return Err(because(ErrorKind::NotADirectory, missing, "is not a directory")),
            // What is below a file is not there either.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(because(error.kind(), missing, &format!("cannot be looked at: {error}"))),
        }
        if std::fs::symlink_metadata(missing).is_ok() {
            return Err(because(ErrorKind::NotFound, missing, "is a link to what is not there"));
        }
        if missing.as_os_str().is_empty() {
            return Err(because(ErrorKind::NotFound, directory, "is not there"));
        }
        missing = parent_of(missing);
    }
}

/// A file to be made in a directory that is there.
pub fn check_new_file(file: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(file).is_ok() {
        return Err(because(ErrorKind::NotFound, file, "is a link to what is not there"));
    }
    let directory = parent_of(file);
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => may(directory, Access::EXISTS),
        Ok(_) => Err(because(ErrorKind::NotADirectory, directory, "is not a directory")),
        Err(error) => Err(because(error.kind(), directory, &format!("cannot be looked at: {error}"))),
    }
}

/// Whether something can be made in a directory, and what else has to be.
fn may(directory: &Path, also: Access) -> io::Result<()> {
    access(directory, Access::WRITE_OK | Access::EXEC_OK | also).map_err(|errno| {
        let error = io::Error::from(errno);
        because(error.kind(), directory, &format!("cannot be used: {error}"))
    })
}

fn because(kind: ErrorKind, path: &Path, why: &str) -> io::Error {
    io::Error::new(kind, format!("{} {why}", path.display()))
}

/// Tells of a directory that others may look into.
pub fn warn_if_open(directory: &Path) {
    match std::fs::metadata(directory) {
        Ok(found) if found.permissions().mode() & OTHERS != 0 => {
            let mode = format!("{:04o}", found.permissions().mode() & 0o7777);
            tracing::warn!(
                directory = %directory.display(),
                mode,
                "others than its owner may read or change this directory; chmod 700 keeps them out"
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_place_is_a_directory_or_can_become_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "").unwrap();
        symlink(path("nowhere"), path("link")).unwrap();
        symlink(dir.path(), path("here")).unwrap();
        for good in ["", "a", "a/b/c", "here", "here/a"] {
            check_directory(&path(good)).unwrap();
        }
        for (bad, why) in [
            ("file", "file is not a directory"),
            ("file/a/b", "is not a directory"),
            ("link", "link is a link to what is not there"),
            ("link/a", "link is a link to what is not there"),
        ] {
            let error = check_directory(&path(bad)).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
        check_new_file(&path("new")).unwrap();
        for bad in ["a/new", "file/new", "link"] {
            check_new_file(&path(bad)).unwrap_err();
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is made");
    }
}
