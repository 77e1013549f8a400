//! What a visit of a source leaves for the next one. It goes with the task; what must
//! not be forgotten is in the marks.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
};

use super::feed::Part;
use crate::records::ObjectMark;

/// Refused objects that are asked for again at one scan: each is a request, and one that
/// is refused today is as a rule refused tomorrow.
const ASKED_AT_ONCE: usize = 100;

/// What is known beside the marks.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What the last scan found, if all of it has been read.
    pub known: Option<u128>,
    /// Objects that the store refuses, which were counted.
    pub refused: BTreeMap<String, Refused>,
    /// Objects whose reading met a fault. They come last, so that however many there are
    /// others are read.
    pub faulty: HashSet<String>,
    /// Objects that were not what the last listing said, with the version that it said.
    unlike: HashMap<String, String>,
    /// The last refused object that was asked for again.
    asked: Option<String>,
}

/// An object that the store refuses.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// As it was listed.
    pub part: Part,
    /// How far it had been read.
    pub mark: ObjectMark,
}

impl Memory {
    /// Forgets what is no longer listed.
    pub fn keep(&mut self, parts: &BTreeMap<String, Part>) {
        self.unlike.retain(|name, _| parts.contains_key(name));
        self.faulty.retain(|name| parts.contains_key(name));
    }

    /// Notes that an object is not what was listed; true if the listing before said the
    /// same of it: then it is no chance.
    pub fn is_unlike_again(&mut self, name: &str, part: &Part) -> bool {
        self.unlike.insert(name.to_owned(), part.etag.clone()).is_some_and(|etag| etag == part.etag)
    }

    /// The refused objects whose turn it is to be asked for: a part of many.
    pub fn turn(&self) -> Vec<(String, Refused)> {
        let asked = self.asked.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.refused.range::<str, _>((asked, Bound::Unbounded));
        let again = behind.chain(&self.refused).take(self.refused.len().min(ASKED_AT_ONCE));
        again.map(|(name, refused)| (name.clone(), refused.clone())).collect()
    }

    /// Notes that one was asked for, and is refused still.
    pub fn asked(&mut self, name: &str) {
        self.asked = Some(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::format::{Compression, Dialect, Encoding, Format};

    fn part(etag: &str) -> Part {
        let encoding = Encoding { format: Format::Csv, compression: Compression::None, dialect: Dialect::default() };
        Part { etag: etag.to_owned(), encoding, refused: None }
    }

    fn turn(memory: &mut Memory) -> Vec<String> {
        let names: Vec<_> = memory.turn().into_iter().map(|(name, _)| name).collect();
        for name in &names {
            memory.asked(name);
        }
        names
    }

    #[test]
    fn each_refused_object_has_its_turn() {
        let mut memory = Memory::default();
        assert!(turn(&mut memory).is_empty());
        let names: Vec<_> = (0..250).map(|n| format!("{n:03}")).collect();
        let refused = Refused { part: part("a"), mark: ObjectMark::default() };
        memory.refused = names[..3].iter().map(|name| (name.clone(), refused.clone())).collect();
        for _ in 0..2 {
            assert_eq!(turn(&mut memory), names[..3], "each once");
        }
        memory.refused = names.iter().map(|name| (name.clone(), refused.clone())).collect();
        let asked: Vec<_> = (0..5).flat_map(|_| turn(&mut memory)).collect();
        assert_eq!(asked, [&names[3..], &names, &names[..3]].concat());
    }

    #[test]
    fn an_object_that_is_not_as_listed_twice_is_no_chance() {
        let mut memory = Memory::default();
        let unlike: Vec<_> = ["1", "2", "2"].map(|etag| memory.is_unlike_again("a", &part(etag))).into_iter().collect();
        assert_eq!(unlike, [false, false, true]);
        memory.keep(&BTreeMap::new());
        assert!(!memory.is_unlike_again("a", &part("2")), "it was gone meanwhile");
    }
}
