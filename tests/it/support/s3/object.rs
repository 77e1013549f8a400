//! One object, open: whatever takes its place, this is what is read.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path, time::SystemTime};

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};

use super::{answer::Failure, record::Record};

pub struct Object {
    pub file: File,
    pub length: u64,
    /// To the second, as S3 tells it.
    pub modified: DateTime<Utc>,
    pub record: Record,
}

impl Object {
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let missing = || Failure::missing("NoSuchKey");
        let file = match File::open(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(missing());
            }
            opened => opened?,
        };
        if file.metadata()?.is_file() { Self::of(file) } else { Err(missing()) }
    }

    pub fn of(file: File) -> Result<Self, Failure> {
        let found = file.metadata()?;
        let record = Record::of(&file, &found)?;
        Ok(Self { file, length: found.len(), modified: seconds(found.modified()?), record })
    }

    pub fn read(&self, start: u64, length: u64) -> Result<Bytes, Failure> {
        let mut bytes = vec![0; usize::try_from(length).map_err(Failure::internal)?];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }

    /// As XML has it.
    pub fn modified_text(&self) -> String {
        self.modified.format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    }
}

fn seconds(time: SystemTime) -> DateTime<Utc> {
    DateTime::from(time).trunc_subsecs(0)
}
