//! A socket in the file system: for its owner alone, in place of one whose server is gone
//! and not of one whose server lives, and away with its server.

use std::{
    fs::{Metadata, Permissions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use tokio::net::{UnixListener, UnixStream};

use crate::durable::parent_of;

/// What a name of a socket may be long.
const LONGEST: usize = 107;
/// Whoever may write to it may connect.
const MODE: u32 = 0o600;

/// The file of a socket, which goes when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    made: Made,
}

/// Device, inode and when it was made: a new file may get the inode of one that has gone. An
/// operator may change its mode and its group.
type Made = (u64, u64, i64, i64);

fn made(path: &Path) -> io::Result<Made> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}

impl SocketFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have put its own there.
        if made(&self.path).is_ok_and(|found| found == self.made) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Says why there can be no socket, if there cannot.
pub async fn check(path: &Path) -> Result<(), String> {
    if path.as_os_str().len() > LONGEST {
        return Err(format!("the path is longer than {LONGEST} bytes, which no socket may have"));
    }
    let directory = parent_of(path);
    access(directory, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("{} cannot be written to: {}", directory.display(), io::Error::from(error)))?;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(found) if !found.file_type().is_socket() => Err("there is something that is no socket".to_owned()),
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Ok(_) => Err("another process listens there".to_owned()),
            Err(error) => Err(format!("there is a socket of another process: {error}")),
        },
    }
}

/// Listens there, where [`check`] found nothing against it: much may have come since.
pub fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let is_dead = |found: &Metadata| {
        found.file_type().is_socket()
            && std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    match std::fs::symlink_metadata(path) {
        Ok(found) if is_dead(&found) => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok((listener, SocketFile { path: path.to_owned(), made: made(path)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        check(&path).await.unwrap();
        let (listener, file) = listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(check(&path).await.unwrap_err().contains("another process listens there"));
        drop(listener);
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn one_whose_server_is_gone_is_replaced_and_another_servers_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let (listener, old) = listen(&path).unwrap();
        drop(listener);
        check(&path).await.unwrap();
        let (_listener, _new) = listen(&path).unwrap();
        drop(old);
        assert!(path.exists(), "it is the new server's");
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn what_has_come_since_it_was_looked_at_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        check(&path).await.unwrap();
        let (_living, _file) = listen(&path).unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).await.unwrap();
        let file = dir.path().join("notes");
        std::fs::write(&file, "mine").unwrap();
        assert_eq!(listen(&file).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn a_socket_whose_mode_was_changed_goes_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let (_listener, file) = listen(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o660)).unwrap();
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn where_there_can_be_none_it_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("notes");
        std::fs::write(&file, "mine").unwrap();
        assert!(check(&file).await.unwrap_err().contains("no socket"));
        assert!(check(&dir.path().join("missing/a.sock")).await.unwrap_err().contains("missing cannot be written to"));
        assert!(check(&dir.path().join("x".repeat(LONGEST))).await.unwrap_err().contains("longer than 107 bytes"));
        assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    }
}
