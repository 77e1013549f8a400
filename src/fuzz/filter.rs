//! Filters and orders, of lists (AIP-160, AIP-132) and of documents (AIP-160). The
//! input is a filter on the first line, an order on the second, a document on the
//! third.
//!
//! Whatever is refused is refused in a few printable words, for gRPC puts them
//! into a header. Whatever is not can be evaluated on anything: an order is
//! total, and of a filter and its opposite one holds.

use std::fmt::Display;

use uuid::Uuid;

use crate::{
    json::{body::lift, filter::Filter as Expression},
    listing::{Filter, Order},
    names::{Id, SnapshotName},
    records::{Snapshot, SnapshotState, fixture},
};

/// Whatever it echoes.
const LONGEST_MESSAGE: usize = 1024;

pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let [filter, order, body] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    of_a_list(filter, order);
    of_documents(filter, body);
}

fn of_a_list(filter: &str, order: &str) {
    let items = items();
    let filter = Filter::parse::<Snapshot>(filter).map_err(is_short).ok();
    let order = Order::parse::<Snapshot>(order).map_err(is_short).ok();
    if let Some(filter) = filter {
        for item in &items {
            let _ = filter.matches(item);
        }
    }
    if let Some(order) = order {
        for (a, b) in items.iter().flat_map(|a| items.iter().map(move |b| (a, b))) {
            assert_eq!(order.compare(a, b), order.compare(b, a).reverse());
            assert_eq!(order.compare(a, b).is_eq(), a.uid == b.uid);
        }
    }
}

fn of_documents(filter: &str, body: &str) {
    const BODY: &[u8] = br#"{"a":[1,2.5,"x",null,{"b":true}],"s":"text","n":-7,"u":18446744073709551615,"o":{"k":[]}}"#;
    let body = lift(body.as_bytes()).map_or(BODY.into(), |lifted| lifted.body);
    let holds = |text: &str| {
        Some(Expression::parse(text).map_err(is_short).ok()?.matches("id-1", 1_700_000_000_000_000, &body))
    };
    let Some(matches) = holds(filter) else { return };
    assert_eq!(holds(filter), Some(matches));
    // The empty one has none; others may be too long or too deep for it.
    if let Some(opposite) = holds(&format!("NOT ({filter})")) {
        assert_ne!(opposite, matches);
    }
}

fn is_short(error: impl Display) {
    let text = error.to_string();
    assert!(text.len() <= LONGEST_MESSAGE && !text.contains(char::is_control), "{text:?}");
}

fn items() -> Vec<Snapshot> {
    (0..4_u8)
        .map(|n| Snapshot {
            name: SnapshotName {
                workspace: Id::commons(),
                id: if n % 2 == 0 { "daily" } else { "weekly" }.parse().expect("an id"),
            },
            uid: Uuid::from_u128(n.into()),
            state: [SnapshotState::Requested, SnapshotState::Created, SnapshotState::Failed][usize::from(n % 3)],
            description: ["", "before the move", "ä*\\\"", "x"][usize::from(n)].to_owned(),
            labels: [("team".to_owned(), n.to_string()), (String::new(), "*".to_owned())].into(),
            create_time: 1_700_000_000_000_000 + i64::from(n / 2),
            contents: fixture::snapshot().contents.filter(|_| n == 2),
            ..fixture::snapshot()
        })
        .collect()
}
