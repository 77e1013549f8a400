//! What every List method shares: filters, orders, page tokens, pages.
//!
//! - **L1** An order is total: `name`, then the uid, break every tie.
//! - **L2** A page begins behind the sort key of the last item sent, not behind
//!   a count, so items that appear or vanish in between neither repeat nor hide
//!   another one.
//! - **L3** A token is bound to the arguments it was given for and holds nothing
//!   that grants access: the checksum finds accidents, not forgers.
//! - **L4** Memory is bounded by the page, not by what there is to list.
//! - **L5** Token bytes are stable: clients hold them across restarts.
//!
//! Accepted: an item whose own sort key changes between two pages (an
//! `update_time`, say) may be listed twice or not at all.
//!
//! The way through, in a handler: see `list` in the tests below.

mod cursor;
mod error;
mod filter;
#[cfg(test)]
mod fixture;
mod listed;
mod order;
mod page;
mod token;

pub use cursor::Cursor;
pub use error::{ListingError, OrderError};
pub use filter::Filter;
pub use listed::{Field, Kind, Listed, Value};
pub use order::Order;
pub use page::{Pager, page_size, paginate};
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use token::seal;
pub use token::{Bound, PageToken, TokenError};

#[cfg(test)]
mod tests {
    use super::fixture::Item;
    use super::*;

    #[derive(Clone, Copy)]
    struct Request<'a> {
        parent: &'a str,
        page_size: i32,
        page_token: &'a str,
        filter: &'a str,
        order_by: &'a str,
    }

    /// What a List method does.
    fn list(request: Request<'_>, items: &[Item]) -> Result<(Vec<String>, String), ListingError> {
        let Request { parent, page_size: requested, page_token, filter: filter_text, order_by } = request;
        let filter = Filter::parse::<Item>(filter_text)?;
        let order = Order::parse::<Item>(order_by)?;
        let size = page_size(requested, 50, 1_000)?;
        let bound = Bound::new("ListItems").text(parent).text(filter_text).text(order_by).finish();
        let after = match page_token {
            "" => None,
            text => Some(Cursor::decode(&PageToken::decode(text, bound)?, order.width())?),
        };
        let (page, next) = paginate(items.iter(), &filter, &order, size, after.as_ref());
        let next = next.map_or_else(String::new, |last| PageToken { bound, cursor: last.encode() }.encode());
        Ok((page.into_iter().map(|item| item.name.clone()).collect(), next))
    }

    const FIRST: Request<'_> = Request {
        parent: "workspaces/commons",
        page_size: 2,
        page_token: "",
        filter: "size_bytes > 0",
        order_by: "size_bytes desc",
    };

    fn items() -> Vec<Item> {
        let item = |(name, size_bytes): (&str, i64)| Item { name: name.into(), size_bytes, ..Item::default() };
        [("a", 1), ("b", 3), ("c", 0), ("d", 3), ("e", 2)].map(item).into()
    }

    #[test]
    fn a_list_is_read_page_by_page() {
        let (page, page_token) = list(FIRST, &items()).unwrap();
        assert_eq!(page, ["b", "d"]);
        let second = Request { page_token: &page_token, page_size: 3, ..FIRST };
        assert_eq!(list(second, &items()).unwrap(), (vec!["e".into(), "a".into()], String::new()));
    }

    #[test]
    fn a_token_does_not_fit_other_arguments() {
        let (_, page_token) = list(FIRST, &items()).unwrap();
        let page_token = page_token.as_str();
        for other in [
            Request { page_token, parent: "workspaces/-", ..FIRST },
            Request { page_token, filter: "", ..FIRST },
            Request { page_token, order_by: "", ..FIRST },
        ] {
            assert_eq!(list(other, &items()), Err(TokenError::Mismatch.into()));
        }
        assert_eq!(list(Request { page_token: "x", ..FIRST }, &items()), Err(TokenError::Malformed.into()));
    }
}
