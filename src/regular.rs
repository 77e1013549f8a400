//! Small files of others, such as keys and certificates. What is no file is refused at
//! once: a pipe would keep its reader waiting, and some devices have no end.

use std::{
    fs::{File, FileType, Metadata},
    io::{self, ErrorKind, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// Opens a file to read it; also through symbolic links.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening some devices has effects of its own.
    check(&std::fs::metadata(path)?)?;
    // It may be another by now.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// All that is in a file, which may be so long.
pub fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    read_all(open(path)?, longest)
}

/// The same of one that is open.
pub fn read_all(file: File, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > longest {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {longest} bytes")));
    }
    Ok(bytes)
}

/// Refuses what is no regular file.
fn check(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {}, not a regular file", name(kind))))
}

fn name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "12345").unwrap();
        symlink(path("file"), path("link")).unwrap();
        assert_eq!(read(&path("file"), 5).unwrap(), b"12345");
        assert_eq!(read(&path("link"), 5).unwrap(), b"12345");
        assert_eq!(read(&path("link"), 4).unwrap_err().to_string(), "it has more than 4 bytes");

        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for (path, kind) in [
            (path(""), "a directory"),
            (path("pipe"), "a pipe"),
            (path("socket"), "a socket"),
            ("/dev/zero".into(), "a device"),
        ] {
            let why = format!("it is {kind}, not a regular file");
            assert_eq!(read(&path, 5).unwrap_err().to_string(), why);
        }
        assert_eq!(read(&path("missing"), 5).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
