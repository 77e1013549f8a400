//! One entry of the log: the object of one revision.

use std::fmt;

use bytes::{Bytes, BytesMut};
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::{
    checksum::Checksum,
    frame::{self, Damage, Frames, Kind},
};
use crate::stored::{self, LogEntry};

/// Names an object by its bytes, so that the next one can say what it stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of what comes before the first entry.
    pub const NONE: Self = Self([0; 32]);

    /// Of an object.
    #[must_use]
    pub fn of(object: &[u8]) -> Self {
        Self(Sha256::digest(object).into())
    }

    /// As it was stored; `None` if that was none.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }

    /// As it is stored.
    #[must_use]
    pub fn to_stored(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How far the log is: what the next entry stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The newest revision; 0 before the first.
    pub revision: u64,
    /// The hash of its object.
    pub hash: Hash,
    /// Over all records as they are then.
    pub checksum: Checksum,
}

impl Tip {
    /// Before the first entry.
    #[must_use]
    pub fn start() -> Self {
        Self { revision: 0, hash: Hash::NONE, checksum: Checksum::default() }
    }
}

/// The object of an entry.
#[must_use]
pub fn encode(entry: &LogEntry) -> Bytes {
    let mut out = BytesMut::new();
    frame::begin(&mut out);
    frame::put(&mut out, Kind::Entry, &entry.encode_to_vec());
    out.freeze()
}

/// Reads the object of an entry.
pub fn decode(object: &[u8]) -> Result<LogEntry, Damage> {
    let mut frames = Frames::default();
    frames.push(object);
    let (kind, payload) = frames.next()?.ok_or(Damage::Cut)?;
    frames.finish()?;
    if kind != Kind::Entry {
        return Err(Damage::Content);
    }
    LogEntry::decode(payload).map_err(|_| Damage::Content)
}

/// Reads the object of the entry behind `before`, and says how far the log is with
/// it.
pub fn follow(before: &Tip, instance: &[u8], object: &[u8]) -> Result<(LogEntry, Tip), Damage> {
    let entry = decode(object)?;
    let stands_on = Hash::from_stored(&entry.previous) == Some(before.hash);
    if entry.revision != before.revision + 1 || !stands_on || entry.instance != instance {
        return Err(Damage::Content);
    }
    let checksum = Checksum::read(entry.checksum.as_ref()).ok_or(Damage::Content)?;
    let tip = Tip { revision: entry.revision, hash: Hash::of(object), checksum };
    Ok((entry, tip))
}

impl From<Tip> for stored::IndexTip {
    fn from(tip: Tip) -> Self {
        let Tip { revision, hash, checksum } = tip;
        Self { instance: Vec::new(), revision, hash: hash.to_stored(), checksum: Some(checksum.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::RecordWrite;

    fn entry(revision: u64, previous: Hash) -> LogEntry {
        LogEntry {
            instance: vec![7; 16],
            revision,
            previous: previous.to_stored(),
            writer: vec![8; 16],
            time: 9,
            writes: vec![
                RecordWrite { key: b"w/a".to_vec(), value: Some(b"value".to_vec()) },
                RecordWrite { key: b"w/b".to_vec(), value: None },
            ],
            checksum: Some(Checksum::default().into()),
        }
    }

    #[test]
    fn an_entry_is_read_behind_the_one_it_stands_on() {
        let first = encode(&entry(1, Hash::NONE));
        let (read, tip) = follow(&Tip::start(), &[7; 16], &first).unwrap();
        assert_eq!((read, tip.revision, tip.hash), (entry(1, Hash::NONE), 1, Hash::of(&first)));
        let second = encode(&entry(2, tip.hash));
        assert_eq!(follow(&tip, &[7; 16], &second).unwrap().1.revision, 2);

        let wrong = [encode(&entry(2, Hash::NONE)), encode(&entry(3, tip.hash)), first.clone()];
        for object in wrong {
            assert_eq!(follow(&tip, &[7; 16], &object).unwrap_err(), Damage::Content);
        }
        assert_eq!(follow(&tip, &[1; 16], &second).unwrap_err(), Damage::Content, "of another instance");
    }

    #[test]
    fn no_cut_and_no_flipped_bit_reads_as_an_entry() {
        let good = encode(&entry(1, Hash::NONE));
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err(), "{length}");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
        assert!(decode(&[&good[..], b"x"].concat()).is_err());
    }
}
