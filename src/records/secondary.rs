//! Secondary indexes: records by something that they hold, in an order.
//!
//! They are derived from the records at the start, and change with them under one
//! lock: who finds records by them sees one revision. They are in memory, about a
//! hundred bytes for each place of a record.

use std::{
    collections::{BTreeSet, HashMap},
    marker::PhantomData,
    ops::Bound,
    sync::Arc,
};

use uuid::Uuid;

use super::Record;
use crate::clock::Micros;

/// What records of kind `R` are found by: an index, and a value there.
pub struct Term<R> {
    raw: RawTerm,
    kind: PhantomData<fn() -> R>,
}

impl<R> Term<R> {
    /// All records that the index has.
    pub(super) const fn all(index: &'static str) -> Self {
        Self::new(index, Value::All)
    }

    /// Those with a uid.
    pub(super) const fn uid(index: &'static str, uid: Uuid) -> Self {
        Self::new(index, Value::Uid(uid))
    }

    /// Those with a text.
    pub(super) fn text(index: &'static str, text: impl Into<String>) -> Self {
        Self::new(index, Value::Text(text.into()))
    }

    const fn new(index: &'static str, value: Value) -> Self {
        Self { raw: RawTerm { index, value }, kind: PhantomData }
    }

    pub(super) fn raw(&self) -> &RawTerm {
        &self.raw
    }
}

/// The same, whatever the kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawTerm {
    index: &'static str,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Value {
    All,
    Uid(Uuid),
    Text(String),
}

/// What the records under a term are ordered by; those alike go by their keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// A time, or another number.
    Number(i64),
    /// A name.
    Text(Box<str>),
}

impl From<i64> for Order {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Order {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// Where one record is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) term: RawTerm,
    pub(super) order: Order,
}

/// Everywhere one record is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(Vec<Entry>);

impl Entries {
    /// It is found under a term.
    pub fn add<R>(&mut self, term: Term<R>, order: impl Into<Order>) {
        self.0.push(Entry { term: term.raw, order: order.into() });
    }

    /// The same, if something is so.
    pub fn add_if<R>(&mut self, is_so: bool, term: impl FnOnce() -> Term<R>, order: impl Into<Order>) {
        if is_so {
            self.add(term(), order);
        }
    }

    pub(super) fn into_vec(self) -> Vec<Entry> {
        self.0
    }
}

/// A kind that has secondary indexes.
pub trait Indexed: Record {
    /// Where a record is found.
    fn entries(&self) -> Entries;
}

/// Ordered as their terms ask; the key is that of the record.
type Places = BTreeSet<(Order, Arc<[u8]>)>;

/// All secondary indexes.
#[derive(Debug, Default)]
pub struct SecondaryIndexes(HashMap<RawTerm, Places>);

impl SecondaryIndexes {
    /// A record is as `before` said no longer, but as `after` says.
    pub fn change(&mut self, key: &[u8], before: Vec<Entry>, after: Vec<Entry>) {
        let key: Arc<[u8]> = key.into();
        for Entry { term, order } in before {
            if let Some(places) = self.0.get_mut(&term) {
                places.remove(&(order, Arc::clone(&key)));
                if places.is_empty() {
                    self.0.remove(&term);
                }
            }
        }
        for Entry { term, order } in after {
            self.0.entry(term).or_default().insert((order, Arc::clone(&key)));
        }
    }

    /// The places of the records under a term, and their keys.
    pub fn places<'a>(
        &'a self,
        term: &RawTerm,
        from: Bound<Order>,
        to: Bound<Order>,
    ) -> impl DoubleEndedIterator<Item = (&'a Order, &'a [u8])> + use<'a> {
        let range = (at_least(from), at_most(to));
        let places = self.0.get(term).filter(|_| !is_empty(&range));
        places.into_iter().flat_map(move |places| places.range(range.clone())).map(|(order, key)| (order, &**key))
    }

    /// How many records there are under a term.
    pub fn count(&self, term: &RawTerm) -> usize {
        self.0.get(term).map_or(0, BTreeSet::len)
    }

    /// How many there are behind a time. Costs what is before it, or a look at all
    /// behind it, whichever is shorter.
    pub fn count_after(&self, term: &RawTerm, after: Micros) -> usize {
        let Some(places) = self.0.get(term) else { return 0 };
        let split = at_least(Bound::Excluded(Order::Number(after)));
        let mut before = places.range((Bound::Unbounded, at_most(Bound::Included(Order::Number(after)))));
        let mut behind = places.range((split, Bound::Unbounded));
        // Side by side, so that the shorter side decides.
        let mut count = 0;
        loop {
            if before.next().is_none() {
                return places.len() - count;
            }
            if behind.next().is_none() {
                return count;
            }
            count += 1;
        }
    }
}

type KeyBound = Bound<(Order, Arc<[u8]>)>;

/// No key is known to be the last of its order, so bounds are set by the first: the empty
/// key comes before all others of its order, and behind an order comes the next one.
fn at_least(from: Bound<Order>) -> KeyBound {
    match from {
        Bound::Included(order) => Bound::Included((order, Arc::default())),
        Bound::Excluded(order) => Bound::Included((next(order), Arc::default())),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn at_most(to: Bound<Order>) -> KeyBound {
    match to {
        Bound::Included(Order::Number(Micros::MAX)) | Bound::Unbounded => Bound::Unbounded,
        Bound::Included(order) => Bound::Excluded((next(order), Arc::default())),
        Bound::Excluded(order) => Bound::Excluded((order, Arc::default())),
    }
}

/// The first order behind one.
fn next(order: Order) -> Order {
    match order {
        Order::Number(time) => Order::Number(time.saturating_add(1)),
        Order::Text(text) => Order::Text(format!("{text}\0").into()),
    }
}

/// A range that ends before it begins is no range for a [`BTreeSet`].
fn is_empty((from, to): &(KeyBound, KeyBound)) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Excluded(to)) => from >= to,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Term<()> = Term::all("nobody");
    const TIMED: Term<()> = Term::all("timed");

    fn timed(times: &[Micros]) -> SecondaryIndexes {
        let mut indexes = SecondaryIndexes::default();
        for (n, time) in times.iter().enumerate() {
            let mut entries = Entries::default();
            entries.add(TIMED, *time);
            indexes.change(format!("r/{n}").as_bytes(), Vec::new(), entries.into_vec());
        }
        indexes
    }

    #[test]
    fn records_come_in_their_order_and_are_counted_behind_a_time() {
        let indexes = timed(&[7, 5, 7, Micros::MAX]);
        let keys = |from, to| indexes.places(TIMED.raw(), from, to).map(|(_, key)| key.to_vec()).collect::<Vec<_>>();
        assert_eq!(keys(Bound::Unbounded, Bound::Unbounded), [b"r/1", b"r/0", b"r/2", b"r/3"]);
        assert_eq!(keys(Bound::Excluded(5.into()), Bound::Included(7.into())), [b"r/0", b"r/2"]);
        assert_eq!(keys(Bound::Included(5.into()), Bound::Excluded(7.into())), [b"r/1"]);
        assert!(keys(Bound::Included(9.into()), Bound::Included(7.into())).is_empty());
        assert_eq!(keys(Bound::Included(8.into()), Bound::Included(Micros::MAX.into())), [b"r/3"]);
        for (after, count) in [(4, 4), (5, 3), (6, 3), (7, 1), (8, 1)] {
            assert_eq!(indexes.count_after(TIMED.raw(), after), count, "{after}");
        }
        assert_eq!((indexes.count(TIMED.raw()), indexes.count(NOBODY.raw())), (4, 0));
    }

    #[test]
    fn a_record_leaves_where_it_was() {
        let mut indexes = timed(&[7]);
        let entry = |order: Micros| vec![Entry { term: TIMED.raw().clone(), order: order.into() }];
        indexes.change(b"r/0", entry(7), entry(9));
        assert_eq!(indexes.count_after(TIMED.raw(), 7), 1);
        indexes.change(b"r/0", entry(9), Vec::new());
        assert!(indexes.0.is_empty(), "an empty term takes no room");
    }

    #[test]
    fn names_order_as_texts_do() {
        let mut indexes = SecondaryIndexes::default();
        for name in ["a/x", "a-b/x", "a/x/y"] {
            let mut entries = Entries::default();
            entries.add(TIMED, name);
            indexes.change(name.as_bytes(), Vec::new(), entries.into_vec());
        }
        let behind = indexes.places(TIMED.raw(), Bound::Excluded("a-b/x".into()), Bound::Unbounded);
        assert_eq!(behind.map(|(_, key)| key).collect::<Vec<_>>(), [&b"a/x"[..], b"a/x/y"]);
    }
}
