//! The shim of `fail.c`: one call of a process fails, or all of them are told.

use std::{
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::support;

/// A call, by what tells it from others: what the client was doing, what kind of call it
/// is, and the path without its uids and numbers; and which of these calls, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub phase: u8,
    pub kind: String,
    pub place: String,
    pub nth: usize,
}

/// As many calls of one place fail, each in a run of its own: the second often has another
/// caller than the first.
const OF_EACH: usize = 2;

impl FromStr for Call {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().ok_or_else(|| line.to_owned());
        Ok(Self { phase: next()?.parse().map_err(|_| line.to_owned())?, kind: next()?, place: next()?, nth: 1 })
    }
}

/// What a call that fails says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    Io,
    NoSpace,
    TooManyFiles,
}

impl Errno {
    pub const ALL: [Self; 3] = [Self::Io, Self::NoSpace, Self::TooManyFiles];

    const fn number(self) -> i32 {
        match self {
            Self::Io => 5,
            Self::NoSpace => 28,
            Self::TooManyFiles => 24,
        }
    }
}

/// Builds the shim into a directory.
pub fn build_shim(into: &Path) -> PathBuf {
    support::build_shim(into, "fail.c", include_str!("fail.c"))
}

/// The shim around the processes of one run.
pub struct Shim {
    library: PathBuf,
    control: File,
    control_path: PathBuf,
    log: PathBuf,
}

impl Shim {
    /// Keeps what it needs in a directory.
    pub fn new(library: &Path, tools: &Path) -> Self {
        let control_path = tools.join("control");
        std::fs::write(&control_path, [0, 0]).unwrap();
        let control = File::options().read(true).write(true).open(&control_path).unwrap();
        Self { library: library.to_owned(), control, control_path, log: tools.join("calls") }
    }

    /// The environment of a process that runs below a directory, where one call fails, or
    /// whose calls are told.
    pub fn environment(&self, below: &Path, fails: Option<(&Call, Errno)>) -> Vec<(String, String)> {
        let below = below.canonicalize().unwrap();
        let paths = [
            ("LD_PRELOAD", &self.library),
            ("STILLFRAME_FAIL_CONTROL", &self.control_path),
            ("STILLFRAME_FAIL_LOG", &self.log),
            ("STILLFRAME_FAIL_BELOW", &below),
        ];
        let mut all: Vec<_> =
            paths.into_iter().map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned())).collect();
        if let Some((Call { phase, kind, place, nth }, errno)) = fails {
            all.push(("STILLFRAME_FAIL".to_owned(), format!("{phase} {kind} {} {nth} {place}", errno.number())));
        }
        all
    }

    /// What the client does from now on.
    pub fn turn_to(&self, phase: u8) {
        self.control.write_all_at(&[phase], 0).unwrap();
    }

    /// Whether the call has been made, and has failed.
    pub fn has_failed(&self) -> bool {
        let mut done = [0];
        self.control.read_exact_at(&mut done, 1).unwrap();
        done == [1]
    }

    /// The calls that were made, of each place the first few.
    pub fn calls(&self) -> Vec<Call> {
        let told = std::fs::read_to_string(&self.log).unwrap();
        let mut counts = BTreeMap::<Call, usize>::new();
        for line in told.lines() {
            *counts.entry(line.parse().unwrap()).or_default() += 1;
        }
        let each = |(call, count): (Call, usize)| (1..=count.min(OF_EACH)).map(move |nth| Call { nth, ..call.clone() });
        counts.into_iter().flat_map(each).collect()
    }
}
