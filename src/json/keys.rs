//! Finding duplicate keys while a document is scanned.

use std::borrow::Cow;
use std::collections::HashSet;

use super::error::{BodyError, is_reserved, join};

/// The keys of all open objects on one stack: no allocation per object. Most objects have few keys, for which
/// comparing fingerprints beats hashing; a large one gets a set (seeded, so that no client can flood it).
#[derive(Default)]
pub(super) struct Keys<'a> {
    stack: Vec<(u64, Cow<'a, str>)>,
}

/// One object's part of the stack.
pub(super) struct Names<'a> {
    start: usize,
    set: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Keys<'a> {
    const SMALL: usize = 32;

    pub(super) fn open(&self) -> Names<'a> {
        Names { start: self.stack.len(), set: None }
    }

    pub(super) fn close(&mut self, names: &Names<'a>) {
        self.stack.truncate(names.start);
    }

    #[inline]
    pub(super) fn insert(&mut self, names: &mut Names<'a>, name: &str, key: Cow<'a, str>) -> Result<(), BodyError> {
        if is_reserved(name) {
            return Err(BodyError::ReservedKey { path: join(name, "") });
        }
        let fresh = match &mut names.set {
            Some(set) => set.insert(key),
            None => {
                let mark = fingerprint(name.as_bytes());
                let siblings = self.stack.get(names.start..).unwrap_or_default();
                let fresh = !siblings.iter().any(|(other, sibling)| *other == mark && *sibling == name);
                if siblings.len() < Self::SMALL {
                    self.stack.push((mark, key));
                } else {
                    let mut set: HashSet<_> = self.stack.drain(names.start..).map(|(_, sibling)| sibling).collect();
                    set.insert(key);
                    names.set = Some(set);
                }
                fresh
            }
        };
        if fresh { Ok(()) } else { Err(BodyError::DuplicateKey { path: join(name, "") }) }
    }
}

/// Cheap and good enough to make a comparison of different keys rare: length, both ends.
#[inline]
fn fingerprint(key: &[u8]) -> u64 {
    let length = key.len() as u64;
    let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            (Some(head), Some(tail)) => (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into()),
            _ => (key.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 0),
        },
    };
    head ^ tail.rotate_left(29) ^ length.rotate_left(56)
}
