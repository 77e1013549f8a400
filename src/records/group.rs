//! The changes of one entry of the log: each is compared with the records, and with
//! what is written before it in the same entry.

use std::collections::{BTreeMap, HashMap};

use super::{
    change::{Change, CommitError, Expected, Limit},
    index::Index,
    raw::Version,
    secondary::{Entry, Order, RawTerm},
    terms,
};
use crate::error::Error;

/// Why a change does not come into a group.
#[derive(Debug)]
pub enum Refusal {
    /// The records are not what it counts on, or cannot be read.
    Records(CommitError),
    /// What is written before it in the same entry is not: if that is not made, then nothing
    /// is known to be against it.
    Before,
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        Self::Records(error)
    }
}

/// What is written under a key, none for what is removed.
type Write = Option<Vec<u8>>;

/// Changes that are made together.
pub struct Group<'a> {
    index: &'a Index,
    writes: BTreeMap<Vec<u8>, Write>,
    bytes: usize,
    /// What the changes add to the secondary indexes, and take from them.
    moves: HashMap<RawTerm, Vec<Move>>,
}

/// A record that comes under a term, or leaves it.
struct Move {
    order: Order,
    comes: bool,
}

impl<'a> Group<'a> {
    /// An empty one, to be made behind what the index holds.
    pub fn new(index: &'a Index) -> Self {
        Self { index, writes: BTreeMap::new(), bytes: 0, moves: HashMap::new() }
    }

    /// The bytes that it takes in the log.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The records as they will be.
    pub fn into_writes(self) -> BTreeMap<Vec<u8>, Write> {
        self.writes
    }

    /// Takes a change in, if what it counts on is so.
    pub fn add(&mut self, change: Change) -> Result<(), Refusal> {
        let moves = match self.check(&change) {
            Err(CommitError::Conflict) if Self::new(self.index).check(&change).is_ok() => return Err(Refusal::Before),
            checked => checked?,
        };
        for (term, moved) in moves {
            self.moves.entry(term).or_default().push(moved);
        }
        self.bytes += change.size();
        self.writes.extend(change.writes);
        Ok(())
    }

    /// Compares what a change counts on; returns what it does to the secondary indexes.
    fn check(&self, change: &Change) -> Result<Vec<(RawTerm, Move)>, CommitError> {
        for (key, expected) in &change.expected {
            if !self.is_as_expected(key, *expected)? {
                return Err(CommitError::Conflict);
            }
        }
        let moves = self.moves_of(change)?;
        if change.limits.iter().any(|limit| self.exceeds(limit, &moves)) {
            return Err(CommitError::Conflict);
        }
        Ok(moves)
    }

    fn is_as_expected(&self, key: &[u8], expected: Expected) -> Result<bool, Error> {
        Ok(match (self.writes.get(key), expected) {
            (Some(under_way), Expected::Anything) => under_way.is_some(),
            (Some(under_way), Expected::Nothing) => under_way.is_none(),
            // Nobody has read a record that is still to be written.
            (Some(_), Expected::Version(_)) => false,
            (None, Expected::Anything) => self.version(key)?.is_some(),
            (None, Expected::Nothing) => self.version(key)?.is_none(),
            (None, Expected::Version(version)) => self.version(key)? == Some(version),
        })
    }

    fn version(&self, key: &[u8]) -> Result<Option<Version>, Error> {
        Ok(self.index.get(key)?.map(|raw| raw.version()))
    }

    fn moves_of(&self, change: &Change) -> Result<Vec<(RawTerm, Move)>, Error> {
        let mut moves = Vec::new();
        for (key, write) in &change.writes {
            let before = match self.writes.get(key) {
                Some(under_way) => under_way.as_ref().map_or(Ok(Vec::new()), |value| terms::entries(key, value))?,
                None => terms::entries_if(key, self.index.get(key)?.as_ref())?,
            };
            let after = write.as_ref().map_or(Ok(Vec::new()), |value| terms::entries(key, value))?;
            let moved = |comes| move |Entry { term, order }| (term, Move { order, comes });
            moves.extend(before.into_iter().map(moved(false)));
            moves.extend(after.into_iter().map(moved(true)));
        }
        Ok(moves)
    }

    fn exceeds(&self, limit: &Limit, moves: &[(RawTerm, Move)]) -> bool {
        let counts = |moved: &&Move| match &moved.order {
            Order::Number(time) => {
                limit.after.is_none_or(|after| *time > after) && limit.until.is_none_or(|until| *time <= until)
            }
            Order::Text(_) => true,
        };
        let under_way = self.moves.get(&limit.term).into_iter().flatten();
        let its_own = moves.iter().filter(|(term, _)| *term == limit.term).map(|(_, moved)| moved);
        let at = self.index.at();
        let beyond = limit.until.map_or(0, |until| at.count(&limit.term, Some(until)));
        let (mut count, mut leave) = (at.count(&limit.term, limit.after).saturating_sub(beyond), 0);
        for moved in under_way.chain(its_own).filter(counts) {
            if moved.comes { count += 1 } else { leave += 1 }
        }
        count.saturating_sub(leave) > limit.at_most
    }
}
