//! Lists of resources: filter, order and pages, the same for all of them.

use std::ops::ControlFlow;

use prost::Message;

use super::MAX_RESPONSE_BYTES;
use crate::{
    error::{Error, Violations},
    listing::{Bound, Cursor, Filter, Listed, ListingError, Order, PageToken, TokenError, page_size, paginate},
};

/// What a message in a list adds to its own bytes, at most.
const FRAMING_BYTES: usize = 8;
const DEFAULT_PAGE: usize = 50;
pub const MAX_PAGE: usize = 1000;

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

/// The items of one page.
pub struct Paged<T> {
    items: Vec<T>,
    order: Order,
    bound: u64,
    /// There are more behind them.
    more: bool,
}

impl<T: Listed> Paged<T> {
    /// The items as messages, as many as a response takes, and the token of the
    /// next page.
    pub async fn messages<M: Message, F: Future<Output = Result<M, Error>>>(
        self,
        convert: impl Fn(T) -> F,
    ) -> Result<(Vec<M>, String), Error> {
        let Self { items, order, bound, mut more } = self;
        let (mut messages, mut bytes, mut last) = (Vec::with_capacity(items.len()), 0, None);
        for item in items {
            let cursor = order.cursor(&item);
            let message = convert(item).await?;
            bytes += message.encoded_len() + FRAMING_BYTES;
            // The one that does not fit is the first of the next page.
            if bytes > MAX_RESPONSE_BYTES && last.is_some() {
                more = true;
                break;
            }
            messages.push(message);
            last = Some(cursor);
        }
        let next = last.filter(|_| more).map(|last| PageToken { bound, cursor: last.encode() }.encode());
        Ok((messages, next.unwrap_or_default()))
    }
}

/// Cuts one page out of all items, which are read only if the arguments are
/// right.
pub fn page<T: Listed>(arguments: &Page<'_>, items: impl FnOnce() -> Result<Vec<T>, Error>) -> Result<Paged<T>, Error> {
    let Asked { size, filter, order, bound, after } = Asked::read::<T>(arguments)?;
    let (items, next) = paginate(items()?.into_iter(), &filter, &order, size, after.as_ref());
    Ok(Paged { items, order, bound, more: next.is_some() })
}

/// The same out of items that are shown in the order of their names, from a name on. A
/// page in that order looks at no more of them than it needs.
pub fn page_by_name<T: Listed>(
    arguments: &Page<'_>,
    show: impl FnOnce(Option<&str>, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), Error>,
) -> Result<Paged<T>, Error> {
    let Asked { size, filter, order, bound, after } = Asked::read::<T>(arguments)?;
    let by_name = order.is_by_name();
    let from = after.as_ref().filter(|_| by_name).and_then(Cursor::name);
    let mut items = Vec::new();
    show(from, &mut |item| {
        if filter.matches(&item) && after.as_ref().is_none_or(|cursor| order.is_behind(&item, cursor)) {
            items.push(item);
        }
        // One more tells that there is a next page.
        if by_name && items.len() > size { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let (items, next) = paginate(items.into_iter(), &filter, &order, size, after.as_ref());
    Ok(Paged { items, order, bound, more: next.is_some() })
}

/// The arguments of a List call, checked.
struct Asked {
    size: usize,
    filter: Filter,
    order: Order,
    bound: u64,
    after: Option<Cursor>,
}

impl Asked {
    fn read<T: Listed>(arguments: &Page<'_>) -> Result<Self, Error> {
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
        Ok(Self { size, filter, order, bound, after })
    }
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
