//! Cuts pages out of what there is to list.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::cursor::Cursor;
use super::error::ListingError;
use super::filter::Filter;
use super::listed::Listed;
use super::order::Order;

/// How many items to send: 0 is the default, too many are lowered to `max`
/// (AIP-158).
///
/// # Errors
/// [`ListingError::PageSize`] when negative.
pub fn page_size(requested: i32, default: usize, max: usize) -> Result<usize, ListingError> {
    match usize::try_from(requested) {
        Ok(0) => Ok(default.min(max)),
        Ok(size) => Ok(size.min(max)),
        Err(_) => Err(ListingError::PageSize(requested)),
    }
}

/// The first `size` items behind `after` that match, in order, and where the
/// next page begins if there is one. Items may come in any order; at most `size`
/// are kept at a time (L4). A size of 0 counts as 1: an empty page could not say
/// where the next begins.
pub fn paginate<T: Listed>(
    items: impl Iterator<Item = T>,
    filter: &Filter,
    order: &Order,
    size: usize,
    after: Option<&Cursor>,
) -> (Vec<T>, Option<Cursor>) {
    let mut pager = Pager::new(filter, order, size, after);
    items.for_each(|item| pager.offer(item));
    let (page, more) = pager.page();
    let next = page.last().filter(|_| more).map(|last| order.cursor(last));
    (page, next)
}

/// A page in the making.
pub struct Pager<'a, T> {
    filter: &'a Filter,
    order: &'a Order,
    size: usize,
    after: Option<&'a Cursor>,
    kept: BinaryHeap<Ranked<'a, T>>,
    more: bool,
}

impl<'a, T: Listed> Pager<'a, T> {
    /// One without an item; the arguments are those of [`paginate`].
    #[must_use]
    pub fn new(filter: &'a Filter, order: &'a Order, size: usize, after: Option<&'a Cursor>) -> Self {
        Self { filter, order, size: size.max(1), after, kept: BinaryHeap::new(), more: false }
    }

    /// Takes an item, if it belongs on the page so far.
    pub fn offer(&mut self, item: T) {
        let is_behind = self.after.is_none_or(|cursor| self.order.is_behind(&item, cursor));
        if !is_behind || !self.filter.matches(&item) {
            return;
        }
        let ranked = Ranked { item, order: self.order };
        if self.kept.len() < self.size {
            self.kept.push(ranked);
            return;
        }
        self.more = true;
        if let Some(mut last) = self.kept.peek_mut()
            && ranked < *last
        {
            *last = ranked;
        }
    }

    /// Whether there is more than the page so far.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// The items, in order, and whether there are more behind them.
    #[must_use]
    pub fn page(self) -> (Vec<T>, bool) {
        (self.kept.into_sorted_vec().into_iter().map(|ranked| ranked.item).collect(), self.more)
    }
}

/// An item that the heap can compare.
struct Ranked<'a, T> {
    item: T,
    order: &'a Order,
}

impl<T: Listed> Ord for Ranked<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.compare(&self.item, &other.item)
    }
}

impl<T: Listed> PartialOrd for Ranked<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Listed> PartialEq for Ranked<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Listed> Eq for Ranked<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::fixture::{Item, any_items, any_order_text};
    use crate::listing::token::{Bound, PageToken};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Over the wire and back, as a client would do it.
    fn through_a_token(cursor: &Cursor, order: &Order) -> Cursor {
        let bound = Bound::new("ListItems").finish();
        let token = PageToken { bound, cursor: cursor.encode() }.encode();
        Cursor::decode(&PageToken::decode(&token, bound).unwrap(), order.width()).unwrap()
    }

    /// Reads all pages; `world` tells what there is at each of them.
    fn read_all(mut world: impl FnMut(usize) -> Vec<Item>, filter: &Filter, order: &Order, size: usize) -> Vec<Item> {
        let (mut seen, mut after) = (Vec::new(), None);
        for n in 0..100 {
            let (page, next) = paginate(world(n).into_iter(), filter, order, size, after.as_ref());
            assert!(page.len() == size || (page.len() < size && next.is_none()));
            seen.extend(page);
            let Some(cursor) = next else { return seen };
            after = Some(through_a_token(&cursor, order));
        }
        panic!("the pages have no end")
    }

    #[test]
    fn page_sizes_are_defaulted_and_lowered() {
        assert_eq!(page_size(0, 50, 1000), Ok(50));
        assert_eq!(page_size(7, 50, 1000), Ok(7));
        assert_eq!(page_size(1000, 50, 1000), Ok(1000));
        assert_eq!(page_size(i32::MAX, 50, 1000), Ok(1000));
        assert_eq!(page_size(-1, 50, 1000), Err(ListingError::PageSize(-1)));
        assert_eq!(
            page_size(i32::MIN, 50, 1000).unwrap_err().to_string(),
            "is -2147483648: use 0 for the default or a positive number"
        );
    }

    #[test]
    fn a_last_page_that_is_full_has_no_next() {
        let items: Vec<Item> = ["b", "a"].map(|name| Item { name: name.into(), ..Item::default() }).into();
        let order = Order::parse::<Item>("").unwrap();
        let (page, next) = paginate(items.iter(), &Filter::default(), &order, 2, None);
        assert_eq!(page.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(next, None);
        let (page, next) = paginate(items.iter(), &Filter::default(), &order, 0, None);
        assert_eq!((page.len(), next.is_some()), (1, true));
    }

    proptest! {
        #[test]
        fn pages_together_are_the_sorted_list(items in any_items(30), text in any_order_text(), size in 1..12_usize, filtered: bool) {
            let filter = Filter::parse::<Item>(if filtered { "state = CREATED" } else { "" }).unwrap();
            let order = Order::parse::<Item>(&text).unwrap();
            let seen = read_all(|_| items.clone(), &filter, &order, size);
            let mut expected: Vec<Item> = items.into_iter().filter(|item| filter.matches(item)).collect();
            expected.sort_by(|a, b| order.compare(a, b));
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn items_that_stay_are_seen_once_whatever_comes_and_goes(
            items in any_items(30), fate in any::<[u64; 30]>(), text in any_order_text(), size in 1..8_usize,
        ) {
            // Bit n of an item's fate: whether it exists at page n. Every other item stays.
            let stays = |at: usize| at.is_multiple_of(2);
            let exists = |at: usize, page: usize| stays(at) || fate[at] >> (page % 64) & 1 == 1;
            let world = |page: usize| {
                let rows = items.iter().enumerate().filter(|(at, _)| exists(*at, page));
                rows.map(|(_, item)| item.clone()).collect::<Vec<_>>()
            };
            let order = Order::parse::<Item>(&text).unwrap();
            let seen = read_all(world, &Filter::default(), &order, size);
            prop_assert!(seen.is_sorted_by(|a, b| order.compare(a, b).is_lt()), "in order, none twice");
            let seen: BTreeSet<_> = seen.iter().map(|item| item.uid).collect();
            prop_assert!(items.iter().enumerate().all(|(at, item)| !stays(at) || seen.contains(&item.uid)));
        }
    }
}
