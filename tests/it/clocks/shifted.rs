//! A wall clock that a test turns, for processes of their own.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::support::build_shim;

/// How far ahead of the machine's the wall clock is that a process sees.
pub struct ShiftedClock {
    shim: PathBuf,
    path: PathBuf,
    file: File,
}

impl ShiftedClock {
    /// The machine's, until it is turned. Keeps what it needs in a directory.
    pub fn new(tools: &Path) -> Self {
        let shim = build_shim(tools, "shift.c", include_str!("shift.c"));
        let path = tools.join("shift");
        std::fs::write(&path, 0_i64.to_le_bytes()).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        Self { shim, path, file }
    }

    /// The environment of a process that sees it.
    pub fn environment(&self) -> [(String, String); 2] {
        [("LD_PRELOAD", &self.shim), ("STILLFRAME_CLOCK_SHIFT", &self.path)]
            .map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()))
    }

    /// Turns it, so many microseconds ahead of the machine's, under who sees it already.
    pub fn set(&self, ahead: i64) {
        self.file.write_all_at(&ahead.to_le_bytes(), 0).unwrap();
    }
}
