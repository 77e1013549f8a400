//! Orders, as AIP-132 writes them: `create_time desc, name`.

use std::cmp::Ordering;

use super::cursor::Cursor;
use super::error::{ListingError, OrderError};
use super::listed::{Listed, Value};
use crate::filter::shown;

/// A parsed, total order (L1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// `name` is always among them.
    terms: Vec<Term>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    field: &'static str,
    descending: bool,
}

impl Order {
    /// Reads an order over `T::ORDER`; the empty one is by name. Unset values
    /// come last, or first when descending.
    ///
    /// # Errors
    /// [`ListingError::Order`] when the text is not an order over `T::ORDER`.
    pub fn parse<T: Listed>(text: &str) -> Result<Self, ListingError> {
        let mut terms: Vec<Term> = Vec::new();
        if !text.trim().is_empty() {
            for part in text.split(',') {
                let term = Term::parse(part, T::ORDER)?;
                if terms.iter().any(|earlier| earlier.field == term.field) {
                    return Err(OrderError::Twice { field: term.field }.into());
                }
                terms.push(term);
            }
        }
        if terms.iter().all(|term| term.field != "name") {
            terms.push(Term { field: "name", descending: false });
        }
        Ok(Self { terms })
    }

    /// Which of two items comes first. Equal only for items of one uid.
    pub fn compare<T: Listed>(&self, a: &T, b: &T) -> Ordering {
        let by_terms = self.terms.iter().map(|term| term.compare(&a.value(term.field), &b.value(term.field)));
        first_difference(by_terms).then_with(|| a.uid().cmp(&b.uid()))
    }

    /// Where an item stands to the one that the cursor was made of, which need
    /// not exist any more (L2).
    pub(super) fn compare_to_cursor<T: Listed>(&self, item: &T, cursor: &Cursor) -> Ordering {
        let values = self.terms.iter().zip(&cursor.values);
        let by_terms = values.map(|(term, value)| term.compare(&item.value(term.field), value));
        first_difference(by_terms).then_with(|| item.uid().cmp(&cursor.uid))
    }

    /// Whether an item comes behind the one that the cursor was made of.
    #[must_use]
    pub fn is_behind<T: Listed>(&self, item: &T, cursor: &Cursor) -> bool {
        self.compare_to_cursor(item, cursor).is_gt()
    }

    /// Whether it is that of the names, and nothing else.
    #[must_use]
    pub fn is_by_name(&self) -> bool {
        matches!(self.terms[..], [Term { field: "name", descending: false }])
    }

    /// The sort key of an item.
    pub fn cursor<T: Listed>(&self, item: &T) -> Cursor {
        let values = self.terms.iter().map(|term| item.value(term.field).into_owned()).collect();
        Cursor { values, uid: item.uid() }
    }

    /// How many values a cursor of this order has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.terms.len()
    }
}

impl Term {
    fn parse(text: &str, known: &[&'static str]) -> Result<Self, OrderError> {
        let text = text.trim();
        let (name, direction) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let Some(field) = known.iter().find(|known| **known == name).copied() else {
            return Err(OrderError::UnknownField { field: shown(name), supported: known.join(", ") });
        };
        match direction.trim_start() {
            "" | "asc" => Ok(Self { field, descending: false }),
            "desc" => Ok(Self { field, descending: true }),
            other => Err(OrderError::Direction { field, found: shown(other) }),
        }
    }

    fn compare(self, a: &Value<'_>, b: &Value<'_>) -> Ordering {
        let ordering = a.compare(b);
        if self.descending { ordering.reverse() } else { ordering }
    }
}

fn first_difference(mut orderings: impl Iterator<Item = Ordering>) -> Ordering {
    orderings.find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::fixture::{Item, any_items, any_order_text};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn sorted(order: &str) -> String {
        let item = |name: &str, size_bytes, end_time, uid| Item {
            name: name.into(),
            size_bytes,
            end_time,
            uid: Uuid::from_u128(uid),
            ..Item::default()
        };
        let mut items =
            [item("c", 1, Some(5), 1), item("b", 2, None, 2), item("a", 2, Some(7), 4), item("a", 2, Some(7), 3)];
        let order = Order::parse::<Item>(order).unwrap();
        items.sort_by(|a, b| order.compare(a, b));
        items.map(|item| format!("{}{}", item.name, item.uid.as_u128())).join(" ")
    }

    #[test]
    fn fields_order_with_name_and_uid_behind() {
        assert_eq!(sorted(""), "a3 a4 b2 c1");
        assert_eq!(sorted("name desc"), "c1 b2 a3 a4");
        assert_eq!(sorted("size_bytes"), "c1 a3 a4 b2");
        assert_eq!(sorted(" size_bytes  desc ,name asc"), "a3 a4 b2 c1");
        assert_eq!(sorted("size_bytes desc,name desc"), "b2 a3 a4 c1");
    }

    #[test]
    fn unset_values_come_last_and_first_when_descending() {
        assert_eq!(sorted("end_time"), "c1 a3 a4 b2");
        assert_eq!(sorted("end_time desc"), "b2 a3 a4 c1");
    }

    #[test]
    fn refusals_say_what_is_supported() {
        let refusal = |text| Order::parse::<Item>(text).unwrap_err().to_string();
        for text in ["nam", "name,", ",name", "name,,size_bytes", "state", "-name", "name;size_bytes"] {
            assert!(refusal(text).contains("supported are name, size_bytes, end_time"), "{text}: {}", refusal(text));
        }
        for text in ["name DESC", "name desc asc", "name size_bytes"] {
            assert!(refusal(text).contains("supported are `asc` and `desc`"), "{text}: {}", refusal(text));
        }
        assert!(refusal("name, name desc").contains("`name` is there twice"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|(name|end_time| |,|asc|desc){0,8}") {
            let _ = Order::parse::<Item>(&text);
        }

        #[test]
        fn every_order_is_total(items in any_items(6), text in any_order_text()) {
            let order = Order::parse::<Item>(&text).unwrap();
            for a in &items {
                for b in &items {
                    prop_assert_eq!(order.compare(a, b), order.compare(b, a).reverse());
                    prop_assert_eq!(order.compare(a, b).is_eq(), a.uid == b.uid);
                    prop_assert_eq!(order.compare_to_cursor(a, &order.cursor(b)), order.compare(a, b));
                }
            }
        }
    }
}
