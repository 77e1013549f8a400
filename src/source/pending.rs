//! What of a listing is left to read, and what of that at once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    mem::size_of,
};

use super::{
    feed::Part,
    memory::{ASKED_AT_ONCE, Memory, Refused, behind},
};
use crate::{
    collection::Lease,
    documents::{MARKS_PAGE, Mark},
    error::Error,
    records::{ObjectMark, Source},
};

/// What the objects may take in memory that are read after one listing, by their names: some
/// twelve thousand as a rule. For the others it is listed again. It may take hours to read
/// them, and sixteen sources do at once.
const BYTES_AT_ONCE: usize = 4 << 20;

/// What a listing has that is not read yet, or not given.
pub(super) struct Compared {
    pub parts: BTreeMap<String, Part>,
    /// How far those are that were begun.
    begun: HashMap<String, ObjectMark>,
    /// Those that the store has refused, and that were counted for it.
    pub refused: BTreeMap<String, Refused>,
}

/// What is read at once.
pub(super) struct Pending {
    /// In this order.
    pub parts: Vec<(String, Part)>,
    /// So many of them, the first, are no faulty ones.
    pub ordinary: usize,
    /// How far those are that were begun.
    pub begun: HashMap<String, ObjectMark>,
    /// Refused ones whose turn it is to be asked for again.
    pub again: Vec<(String, Refused)>,
    /// The last of them, if it is to go on behind that at once.
    pub last: Option<String>,
    /// Nothing is left beside them.
    pub are_all: bool,
}

impl Compared {
    /// Leaves out what has been read, and forgets what is no longer there: marks must
    /// not pile up behind objects that come and go.
    pub async fn new(lease: &Lease, record: &Source, mut parts: BTreeMap<String, Part>) -> Result<Self, Error> {
        let source = record.uid;
        let (mut begun, mut refused) = (HashMap::new(), BTreeMap::new());
        let hidden = hidden_directories(&parts);
        let mut after: Option<String> = None;
        loop {
            let page = lease.engine().object_marks(source, after.as_deref()).await?;
            let more = page.len() == MARKS_PAGE;
            after = page.last().map(|(path, _)| path.clone());
            let mut gone = Vec::new();
            for (path, mark) in page {
                match parts.get(&path) {
                    // It may still be there, and is not read again when that shows.
                    None if is_below(&path, &hidden) => {}
                    None => gone.push(Mark::Object(source, path, None)),
                    Some(part) if part.etag == mark.etag && mark.done => {
                        let part = parts.remove(&path);
                        if let Some(part) = part.filter(|_| mark.refused) {
                            refused.insert(path, Refused { part, mark });
                        }
                    }
                    Some(part) if part.etag == mark.etag => {
                        begun.insert(path, mark);
                    }
                    Some(_) => {}
                }
            }
            if !gone.is_empty() {
                lease.engine().mark(lease.tenant(), gone).await?;
            }
            if !more {
                return Ok(Self { parts, begun, refused });
            }
        }
    }

    /// What is read at once of it.
    pub fn cut(self, memory: &Memory) -> Pending {
        self.cut_at(memory, BYTES_AT_ONCE)
    }

    fn cut_at(self, memory: &Memory, mut room: usize) -> Pending {
        let Self { parts, mut begun, refused } = self;
        let count = parts.len();
        let (mut behind_last, mut before, mut faulty) = (Vec::new(), Vec::new(), Vec::new());
        for (name, part) in parts {
            if memory.has_met(&name) {
                continue;
            }
            let list = match &memory.from {
                _ if memory.is_faulty(&name) => &mut faulty,
                Some(from) if name <= *from => &mut before,
                _ => &mut behind_last,
            };
            list.push((name, part));
        }
        let first = if behind_last.is_empty() { before } else { behind_last };
        let (mut taken, ordinary) = (Vec::new(), first.len());
        for (name, part) in first.into_iter().chain(faulty) {
            let bytes = size(&name, &part);
            if bytes > room && !taken.is_empty() {
                break;
            }
            room = room.saturating_sub(bytes);
            taken.push((name, part));
        }
        let last = taken.last().filter(|_| taken.len() < ordinary).map(|(name, _)| name.clone());
        let begun = taken.iter().filter_map(|(name, _)| begun.remove_entry(name)).collect();
        // Once in a visit, when all else has been read.
        let asked = if last.is_none() { ASKED_AT_ONCE } else { 0 };
        let again = behind(&refused, memory.last_asked()).take(asked);
        let again = again.map(|(name, refused)| (name.clone(), refused.clone())).collect();
        Pending { are_all: taken.len() == count, ordinary: taken.len().min(ordinary), parts: taken, begun, again, last }
    }
}

/// About what an object takes in memory while it waits.
fn size(name: &str, part: &Part) -> usize {
    name.len() + part.etag.len() + part.refused.as_ref().map_or(0, |why| why.len()) + size_of::<(String, Part)>()
}

/// The directories of which nobody knows what is in them.
fn hidden_directories(parts: &BTreeMap<String, Part>) -> HashSet<String> {
    let hidden = parts.iter().filter(|(name, part)| name.ends_with('/') && part.refused.is_some());
    hidden.map(|(name, _)| name.clone()).collect()
}

fn is_below(path: &str, directories: &HashSet<String>) -> bool {
    !directories.is_empty() && path.match_indices('/').any(|(at, _)| directories.contains(&path[..=at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        share::Tenant,
        source::{format::Encoding, memory},
    };

    fn part(refused: Option<&'static str>) -> Part {
        Part {
            etag: "1".to_owned(),
            encoding: Encoding::of("x.csv", None, None).unwrap(),
            refused: refused.map(Into::into),
        }
    }

    #[test]
    fn what_is_in_a_directory_that_cannot_be_read_may_still_be_there() {
        let parts: BTreeMap<_, _> = [("a/", Some("no")), ("b.ndjson", Some("no")), ("c/", None)]
            .map(|(name, refused)| (name.to_owned(), part(refused)))
            .into();
        let hidden = hidden_directories(&parts);
        for (path, is_hidden) in [
            ("a/x", true),
            ("a/b/x", true),
            ("a/", true),
            ("a", false),
            ("ab/x", false),
            ("c/x", false),
            ("x/a/y", false),
        ] {
            assert_eq!(is_below(path, &hidden), is_hidden, "{path}");
        }
    }

    fn memory() -> Memory {
        Memory::new(memory::budget().share(&Tenant::of_workspace("a")))
    }

    /// What is cut of objects of these names, where `count` of them fit.
    fn cut(names: &[&str], memory: &Memory, count: usize) -> Pending {
        let listed = names.iter().map(|name| ((*name).to_owned(), part(None)));
        let refused = Refused { part: part(None), mark: ObjectMark::default() };
        let compared = Compared {
            parts: listed.collect(),
            begun: names.iter().map(|name| ((*name).to_owned(), ObjectMark::default())).collect(),
            refused: [("r".to_owned(), refused)].into(),
        };
        compared.cut_at(memory, count * size("a", &part(None)))
    }

    fn names(pending: &Pending) -> Vec<&str> {
        pending.parts.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_long_listing_is_read_in_parts_one_behind_the_other() {
        let mut memory = memory();
        let mut read = Vec::new();
        loop {
            let pending = cut(&["a", "b", "c", "d", "e"], &memory, 2);
            assert!(!pending.are_all && pending.begun.len() == pending.parts.len());
            assert_eq!(pending.again.len(), usize::from(pending.last.is_none()), "at the end of all");
            read.push(names(&pending).concat());
            memory.from = pending.last;
            if memory.from.is_none() {
                break;
            }
        }
        assert_eq!(read, ["ab", "cd", "e"]);
        assert!(cut(&["a", "b"], &memory, 2).are_all);
        assert_eq!(names(&cut(&["a", "b"], &memory, 0)), ["a"], "one at least");
        memory.from = Some("z".to_owned());
        assert_eq!(names(&cut(&["a", "b"], &memory, 9)), ["a", "b"], "there is nothing behind");
    }

    #[test]
    fn faulty_objects_come_last_and_once_in_a_visit() {
        let mut memory = memory();
        memory.met_fault("a");
        memory.begin();
        memory.met_fault("c");
        let all = ["a", "b", "c", "d"];
        let pending = cut(&all, &memory, 9);
        assert_eq!((names(&pending).concat(), pending.ordinary, pending.are_all), ("bda".to_owned(), 2, false));
        let pending = cut(&all, &memory, 2);
        assert_eq!((names(&pending).concat(), pending.last), ("bd".to_owned(), None));
        memory.begin();
        assert_eq!(names(&cut(&all, &memory, 9)), ["b", "d", "a", "c"]);
    }
}
