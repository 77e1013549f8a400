//! What a visit of a source leaves for the next one. It goes with the task; what must
//! not be forgotten is in the marks.
//!
//! There may be something to remember of a hundred thousand objects, whose paths have up to
//! a kilobyte, in each of thousands of sources, and for as long as they run. So what is kept
//! of an object is a digest, of so many objects of a source and no more, out of a budget
//! that all share. What does not fit is forgotten: refused objects are found again in the
//! marks, and any other is met again as if it were the first time.

use std::{
    collections::{BTreeMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use xxhash_rust::xxh3::Xxh3;

use super::feed::Part;
use crate::{
    records::ObjectMark,
    share::{Budget, Division, Share},
};

/// Refused objects that are asked for again at one scan: each is a request, and one that
/// is refused today is as a rule refused tomorrow.
pub(super) const ASKED_AT_ONCE: usize = 100;
/// Objects of one kind that a source remembers. Of more refused ones the marks are read again
/// once in a hundred scans.
const MOST: usize = 10_000;
/// What one takes in a table that has just grown.
const DIGEST_BYTES: usize = 40;
/// What all sources remember.
const BYTES: usize = 32 << 20;

/// The budget of all sources, in bytes.
pub(super) fn budget() -> Arc<Budget> {
    Budget::new("bytes that sources remember", Division::of(BYTES))
}

/// An object that the store refuses.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// As it was listed.
    pub part: Part,
    /// How far it had been read.
    pub mark: ObjectMark,
}

/// What is known beside the marks.
#[derive(Debug)]
pub(super) struct Memory {
    /// What the last scan found, if all of it has been read.
    pub known: Option<u128>,
    /// The object behind which the next reading begins, if the last did not come to the end.
    pub from: Option<String>,
    /// Objects that the store refuses, which were counted, as they were listed.
    refused: HashSet<u128>,
    /// There are more of those than are remembered. Then each is forgotten when it has been
    /// asked for, and the marks tell of the next when none is left.
    are_more_refused: bool,
    /// Objects whose reading met a fault. They come last, so that however many there are
    /// others are read.
    faulty: HashSet<u128>,
    /// Those of this visit, which are not read again in it.
    met: HashSet<u128>,
    /// Objects that were not what the last listing said, as it listed them.
    unlike: HashSet<u128>,
    /// The last refused object that was asked for again.
    asked: Option<String>,
    /// The part of the budget that all of it takes.
    share: Share,
}

impl Memory {
    pub fn new(share: Share) -> Self {
        Self {
            known: None,
            from: None,
            refused: HashSet::new(),
            are_more_refused: false,
            faulty: HashSet::new(),
            met: HashSet::new(),
            unlike: HashSet::new(),
            asked: None,
            share,
        }
    }

    /// A visit begins.
    pub fn begin(&mut self) {
        self.faulty.extend(self.met.drain());
    }

    /// Forgets what is no longer listed.
    pub fn keep(&mut self, parts: &BTreeMap<String, Part>) {
        for known in [&mut self.faulty, &mut self.met, &mut self.unlike] {
            if !known.is_empty() {
                let listed = parts.iter().flat_map(|(name, part)| [digest(name, ""), digest(name, &part.etag)]);
                *known = listed.filter(|listed| known.contains(listed)).collect();
            }
        }
        self.give_back();
    }

    /// Notes that the reading of an object met a fault.
    pub fn met_fault(&mut self, name: &str) {
        let object = digest(name, "");
        if self.faulty.remove(&object) || self.has_room(self.faulty.len() + self.met.len()) {
            self.met.insert(object);
        }
    }

    /// Notes that it met none.
    pub fn met_none(&mut self, name: &str) {
        let object = digest(name, "");
        self.faulty.remove(&object);
        self.met.remove(&object);
    }

    /// Whether its reading met a fault before this visit.
    pub fn is_faulty(&self, name: &str) -> bool {
        self.faulty.contains(&digest(name, ""))
    }

    /// Whether its reading met a fault in this visit.
    pub fn has_met(&self, name: &str) -> bool {
        self.met.contains(&digest(name, ""))
    }

    /// Notes that an object is not what was listed; true if the listing before said the
    /// same of it: then it is no chance.
    pub fn is_unlike_again(&mut self, name: &str, part: &Part) -> bool {
        let object = digest(name, &part.etag);
        if self.unlike.contains(&object) {
            return true;
        }
        if self.has_room(self.unlike.len()) {
            self.unlike.insert(object);
        }
        false
    }

    /// Notes which objects are refused, all of them: those whose turn is next, at least.
    pub fn all_refused(&mut self, refused: &BTreeMap<String, Refused>) {
        self.refused = HashSet::new();
        self.are_more_refused = false;
        self.give_back();
        let asked = self.asked.clone();
        for (name, Refused { part, .. }) in behind(refused, asked.as_deref()) {
            self.is_refused(name, part);
            if self.are_more_refused {
                break;
            }
        }
    }

    /// Notes that an object is refused.
    pub fn is_refused(&mut self, name: &str, part: &Part) {
        if self.has_room(self.refused.len()) {
            self.refused.insert(digest(name, &part.etag));
        } else {
            self.are_more_refused = true;
        }
    }

    /// Whether it is known which refused objects have their turn. If not, the marks tell.
    pub fn knows_turn(&self) -> bool {
        !(self.are_more_refused && self.refused.is_empty())
    }

    /// The refused objects whose turn it is to be asked for, among those that are listed: a
    /// part of many.
    pub fn turn(&self, parts: &BTreeMap<String, Part>) -> Vec<(String, Part)> {
        if self.refused.is_empty() {
            return Vec::new();
        }
        let refused = behind(parts, self.asked.as_deref())
            .filter(|(name, part)| self.refused.contains(&digest(name, &part.etag)));
        refused.take(ASKED_AT_ONCE).map(|(name, part)| (name.clone(), part.clone())).collect()
    }

    /// The last refused object that was asked for.
    pub fn last_asked(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// Notes that one was asked for, and is refused still.
    pub fn asked(&mut self, name: &str, part: &Part) {
        self.asked = Some(name.to_owned());
        if self.are_more_refused {
            self.refused.remove(&digest(name, &part.etag));
        }
    }

    /// Notes that one is given now.
    pub fn given(&mut self, name: &str, part: &Part) {
        self.refused.remove(&digest(name, &part.etag));
    }

    /// Takes the room for one more, beside so many of its kind.
    fn has_room(&self, count: usize) -> bool {
        count < MOST && self.share.raise((self.count() + 1) * DIGEST_BYTES).is_ok()
    }

    fn give_back(&self) {
        self.share.set(self.count() * DIGEST_BYTES);
    }

    fn count(&self) -> usize {
        self.refused.len() + self.faulty.len() + self.met.len() + self.unlike.len()
    }
}

/// All that are listed, those behind a name first.
pub(super) fn behind<'a, T>(
    listed: &'a BTreeMap<String, T>,
    name: Option<&'a str>,
) -> impl Iterator<Item = (&'a String, &'a T)> {
    let first = listed.range::<str, _>((name.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
    let then = name.map(|name| listed.range::<str, _>((Bound::Unbounded, Bound::Included(name))));
    first.chain(then.into_iter().flatten())
}

/// Tells one version of an object from all else.
fn digest(name: &str, etag: &str) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&name.len().to_le_bytes());
    hash.update(name.as_bytes());
    hash.update(etag.as_bytes());
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        share::Tenant,
        source::format::{Compression, Dialect, Encoding, Format},
    };

    fn memory_of(bytes: usize) -> Memory {
        let division = Division { total: bytes, workspace: bytes, least: bytes };
        Memory::new(Budget::new("bytes", division).share(&Tenant::of_workspace("a")))
    }

    fn memory() -> Memory {
        memory_of(BYTES)
    }

    fn part(etag: &str) -> Part {
        let encoding = Encoding { format: Format::Csv, compression: Compression::None, dialect: Dialect::default() };
        Part { etag: etag.to_owned(), encoding, refused: None }
    }

    fn listed(names: &[String]) -> BTreeMap<String, Part> {
        names.iter().map(|name| (name.clone(), part("a"))).collect()
    }

    fn refused(names: &[String]) -> BTreeMap<String, Refused> {
        let refused = Refused { part: part("a"), mark: ObjectMark::default() };
        names.iter().map(|name| (name.clone(), refused.clone())).collect()
    }

    fn turn(memory: &mut Memory, parts: &BTreeMap<String, Part>) -> Vec<String> {
        let turn = memory.turn(parts);
        for (name, part) in &turn {
            memory.asked(name, part);
        }
        turn.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn each_refused_object_has_its_turn() {
        let mut memory = memory();
        let names: Vec<_> = (0..250).map(|n| format!("{n:03}")).collect();
        let parts = listed(&names);
        assert!(turn(&mut memory, &parts).is_empty());
        memory.all_refused(&refused(&names[..3]));
        for _ in 0..2 {
            assert_eq!(turn(&mut memory, &parts), names[..3], "each once");
        }
        memory.all_refused(&refused(&names));
        let asked: Vec<_> = (0..5).flat_map(|_| turn(&mut memory, &parts)).collect();
        assert_eq!(asked, [&names[3..], &names, &names[..3]].concat());
        memory.given(&names[5], &part("a"));
        assert!(!turn(&mut memory, &parts).contains(&names[5]));
    }

    #[test]
    fn more_refused_objects_than_are_remembered_have_their_turn_as_well() {
        let names: Vec<_> = (0..MOST + 150).map(|n| format!("{n:05}")).collect();
        let (parts, refused) = (listed(&names), refused(&names));
        // One that may remember as much as any, and one that may remember next to nothing.
        for mut memory in [memory(), memory_of(250 * DIGEST_BYTES)] {
            let mut asked = Vec::new();
            while asked.len() < 2 * names.len() {
                memory.all_refused(&refused);
                assert!(memory.knows_turn() && memory.refused.len() <= MOST);
                while memory.knows_turn() {
                    asked.extend(turn(&mut memory, &parts));
                }
            }
            assert!(asked.iter().zip(names.iter().cycle()).all(|(asked, name)| asked == name), "none is left out");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_remembered_and_what_goes_makes_room() {
        let mut memory = memory_of(2 * DIGEST_BYTES);
        let names = ["a", "b", "c"].map(str::to_owned);
        for name in &names {
            memory.met_fault(name);
        }
        memory.begin();
        assert_eq!(names.each_ref().map(|name| memory.is_faulty(name)), [true, true, false]);
        assert!(!memory.is_unlike_again("a", &part("1")) && !memory.is_unlike_again("a", &part("1")));
        memory.is_refused("a", &part("1"));
        assert!(!memory.knows_turn(), "the marks tell");
        memory.met_none("a");
        memory.keep(&listed(&names));
        assert!(!memory.is_unlike_again("c", &part("1")) && memory.is_unlike_again("c", &part("1")));
        memory.keep(&BTreeMap::new());
        memory.all_refused(&BTreeMap::new());
        assert!(memory.knows_turn() && memory.count() == 0);
        memory.share.raise(2 * DIGEST_BYTES).unwrap();
    }

    #[test]
    fn an_object_that_met_a_fault_is_read_once_in_a_visit() {
        let mut memory = memory();
        memory.met_fault("a");
        assert!(memory.has_met("a") && !memory.is_faulty("a"));
        memory.begin();
        assert!(!memory.has_met("a") && memory.is_faulty("a"));
        memory.met_fault("a");
        assert!(memory.has_met("a") && !memory.is_faulty("a"));
        memory.met_none("a");
        assert_eq!(memory.count(), 0);
    }

    #[test]
    fn an_object_that_is_not_as_listed_twice_is_no_chance() {
        let mut memory = memory();
        let unlike: Vec<_> = ["1", "2", "2"].map(|etag| memory.is_unlike_again("a", &part(etag))).into_iter().collect();
        assert_eq!(unlike, [false, false, true]);
        memory.keep(&BTreeMap::new());
        assert!(!memory.is_unlike_again("a", &part("2")), "it was gone meanwhile");
    }
}
