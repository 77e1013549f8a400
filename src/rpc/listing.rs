//! Lists of resources: filter, order and pages, the same for all of them.

use crate::{
    error::{Error, Violations},
    listing::{Bound, Cursor, Filter, Listed, ListingError, Order, PageToken, TokenError, page_size, paginate},
};

const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 1000;

/// The arguments of a List call.
pub struct Page<'a> {
    /// Names the RPC and its other arguments, for the token.
    pub domain: &'static str,
    /// The parent and what else the token is bound to.
    pub bound: &'a [&'a str],
    /// As sent.
    pub page_size: i32,
    /// As sent.
    pub page_token: &'a str,
    /// As sent.
    pub filter: &'a str,
    /// As sent.
    pub order_by: &'a str,
}

/// Cuts one page out of all items, which are read only if the arguments are
/// right. Returns it and the token of the next.
pub fn page<T: Listed>(
    arguments: &Page<'_>,
    items: impl FnOnce() -> Result<Vec<T>, Error>,
) -> Result<(Vec<T>, String), Error> {
    let mut bad = Violations::default();
    let size = bad.check("page_size", page_size(arguments.page_size, DEFAULT_PAGE, MAX_PAGE));
    let filter = bad.check("filter", Filter::parse::<T>(arguments.filter));
    let order = bad.check("order_by", Order::parse::<T>(arguments.order_by));
    let (Some(size), Some(filter), Some(order)) = (size, filter, order) else { return Err(bad.into()) };

    let mut bound = Bound::new(arguments.domain).text(arguments.filter).text(arguments.order_by);
    for part in arguments.bound {
        bound = bound.text(part);
    }
    let bound = bound.finish();
    let after = match arguments.page_token {
        "" => None,
        token => Some(cursor(token, bound, &order)?),
    };
    let (items, next) = paginate(items()?.into_iter(), &filter, &order, size, after.as_ref());
    let token = next.map(|next| PageToken { bound, cursor: next.encode() }.encode()).unwrap_or_default();
    Ok((items, token))
}

fn cursor(token: &str, bound: u64, order: &Order) -> Result<Cursor, Error> {
    let read = PageToken::decode(token, bound).and_then(|bytes| Cursor::decode(&bytes, order));
    read.map_err(token_error)
}

/// A token that we did not make for these arguments.
pub fn token_error(error: TokenError) -> Error {
    match error {
        TokenError::Mismatch | TokenError::Malformed => Error::PageTokenMismatch,
    }
}

impl From<ListingError> for Error {
    fn from(error: ListingError) -> Self {
        Self::invalid(error.field(), error)
    }
}
