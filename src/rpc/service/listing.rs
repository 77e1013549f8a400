//! Lists of resources: filter, order and pages, the same for all of them.

use std::{ops::ControlFlow, time::Duration};

use prost::Message;
use tokio::time::Instant;

use crate::{
    error::{Error, Violations},
    listing::{Bound, Cursor, Filter, Listed, ListingError, Order, PageToken, Pager, TokenError, page_size, paginate},
    pb,
    rpc::MAX_RESPONSE_BYTES,
    tasks::SLICE,
};

/// What a message in a list adds to its own bytes, at most.
const FRAMING_BYTES: usize = 8;
const DEFAULT_PAGE: usize = 50;
pub const MAX_PAGE: usize = 1000;

/// A List request.
pub trait List {
    /// Its arguments.
    fn page(&self) -> Page<'_>;
}

/// One line for each: the message, its RPC, and what its tokens are bound to beside filter and
/// order.
macro_rules! lists {
    ($($request:ident, $rpc:literal, |$asked:ident| [$($bound:expr),*];)*) => {$(
        impl List for pb::$request {
            fn page(&self) -> Page<'_> {
                let $asked = self;
                Page {
                    domain: $rpc,
                    bound: vec![$($bound),*],
                    page_size: $asked.page_size,
                    page_token: &$asked.page_token,
                    filter: &$asked.filter,
                    order_by: &$asked.order_by,
                }
            }
        }
    )*};
}

lists! {
    ListApiKeysRequest, "ListApiKeys", |asked| [];
    ListWorkspacesRequest, "ListWorkspaces", |asked| [];
    ListCollectionsRequest, "ListCollections", |asked| [&asked.parent];
    ListSnapshotsRequest, "ListSnapshots", |asked| [
        &asked.parent, if asked.show_deleted { "show_deleted" } else { "" }
    ];
    ListRestoresRequest, "ListRestores", |asked| [&asked.parent];
    ListSourcesRequest, "ListSources", |asked| [&asked.parent];
}

/// The arguments of a List call.
pub struct Page<'a> {
    /// Names the RPC and its other arguments, for the token.
    pub domain: &'static str,
    /// The parent and what else the token is bound to.
    pub bound: Vec<&'a str>,
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
/// page in that order looks at no more of them than it needs. Others run in between: there
/// may be tens of thousands, each to be read and held against a filter.
pub async fn page_by_name<T: Listed>(
    arguments: &Page<'_>,
    show: impl Fn(Option<&str>, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), Error>,
) -> Result<Paged<T>, Error> {
    page_in_slices(arguments, show, SLICE).await
}

async fn page_in_slices<T: Listed>(
    arguments: &Page<'_>,
    show: impl Fn(Option<&str>, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), Error>,
    slice: Duration,
) -> Result<Paged<T>, Error> {
    let Asked { size, filter, order, bound, after } = Asked::read::<T>(arguments)?;
    let by_name = order.is_by_name();
    let mut pager = Pager::new(&filter, &order, size, after.as_ref());
    let mut from = after.as_ref().filter(|_| by_name).and_then(Cursor::name).map(str::to_owned);
    // Where a slice has ended: the others of that name come again.
    let (names, mut seen) = (Order::parse::<T>("")?, None::<Cursor>);
    loop {
        let (began, mut is_cut) = (Instant::now(), false);
        show(from.as_deref(), &mut |item: T| {
            if seen.as_ref().is_some_and(|seen| !names.is_behind(&item, seen)) {
                return ControlFlow::Continue(());
            }
            is_cut = began.elapsed() >= slice;
            if is_cut {
                seen = Some(names.cursor(&item));
            }
            pager.offer(item);
            // One more tells that there is a next page.
            let is_full = by_name && pager.has_more();
            if is_cut || is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if !is_cut || (by_name && pager.has_more()) {
            break;
        }
        from = seen.as_ref().and_then(Cursor::name).map(str::to_owned);
        tokio::task::yield_now().await;
    }
    let (items, more) = pager.page();
    Ok(Paged { items, order, bound, more })
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
        for part in &arguments.bound {
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
    let read = PageToken::decode(token, bound).and_then(|bytes| Cursor::decode(&bytes, order.width()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Record, Snapshot, SnapshotState, fixture};

    /// In the order of their names; of one name several have ended.
    fn snapshots() -> Vec<Snapshot> {
        let snapshot = |n: u8| Snapshot {
            name: format!("workspaces/commons/snapshots/s{}", n / 3).parse().unwrap(),
            uid: uuid::Uuid::from_bytes([n; 16]),
            state: SnapshotState::Deleted,
            create_time: i64::from(n * 7 % 10),
            ..fixture::snapshot()
        };
        (0..20).map(snapshot).collect()
    }

    /// Each of the arguments page by page: what is on them.
    async fn pages(filter: &str, order_by: &str, slice: Duration) -> Vec<Vec<u8>> {
        let all = snapshots();
        let show = |from: Option<&str>, each: &mut dyn FnMut(Snapshot) -> ControlFlow<()>| {
            let behind = all.iter().filter(|found| from.is_none_or(|from| found.name.to_string().as_str() >= from));
            let _ = behind.cloned().try_for_each(each);
            Ok(())
        };
        let (mut pages, mut page_token) = (Vec::new(), String::new());
        loop {
            let arguments =
                Page { domain: "List", bound: Vec::new(), page_size: 4, page_token: &page_token, filter, order_by };
            let page = page_in_slices(&arguments, show, slice).await.unwrap();
            let (items, next) = page.messages(async |found| Ok(found.message())).await.unwrap();
            pages.push(items.iter().map(|item| item.uid[0]).collect());
            if next.is_empty() {
                return pages;
            }
            page_token = next;
        }
    }

    #[tokio::test]
    async fn a_list_in_slices_is_the_same() {
        let one = r#"name != "workspaces/commons/snapshots/s2""#;
        for (filter, order_by) in [("", ""), ("", "create_time desc"), (one, ""), (one, "create_time")] {
            let whole = pages(filter, order_by, Duration::MAX).await;
            // One by one.
            assert_eq!(pages(filter, order_by, Duration::ZERO).await, whole, "{filter} {order_by}");
        }
        let all: Vec<_> = pages("", "", Duration::ZERO).await.concat();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    }
}
