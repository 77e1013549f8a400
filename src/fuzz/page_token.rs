//! Page tokens. The input is a token as a client sends it, and also what stands
//! in one under a right checksum, which anybody can make.
//!
//! What is read is exactly what was written; a foreign cursor is refused, or
//! leads to a place in the list, behind which the pages go on in order and come
//! to an end.

use std::cmp::Ordering;

use uuid::Uuid;

use crate::{
    documents,
    listing::{Cursor, Filter, Order, PageToken, TokenError, paginate, seal},
    names::{Id, SnapshotName},
    records::{Snapshot, fixture},
};

const ORDERS: [&str; 4] = ["", "name desc", "create_time", "size_bytes desc, expire_time, name"];

pub fn page_token(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        sent(text);
    }
    let text = seal(data.to_vec());
    sent(&text);
    if let Some(PageToken { bound, cursor }) = PageToken::read(&text) {
        assert_eq!(PageToken::decode(&text, bound), Ok(cursor.clone()));
        assert_eq!(PageToken::decode(&text, !bound), Err(TokenError::Mismatch));
        // A cursor of documents is a key to go on behind.
        documents::fuzzed::cursor(&cursor);
        for order in ORDERS {
            of_a_list(&cursor, order);
        }
    }
    for order in ORDERS {
        of_a_list(data, order);
    }
}

/// A token has one text.
fn sent(text: &str) {
    match PageToken::read(text) {
        Some(token) => assert_eq!(token.encode(), text),
        None => assert_eq!(PageToken::decode(text, 0), Err(TokenError::Malformed)),
    }
}

fn of_a_list(bytes: &[u8], order: &str) {
    let order = Order::parse::<Snapshot>(order).expect("an order");
    let Ok(mut cursor) = Cursor::decode(bytes, order.width()) else { return };
    assert_eq!(cursor.encode(), bytes);
    let items = items();
    let mut seen = Vec::new();
    loop {
        let (page, next) = paginate(items.iter(), &Filter::default(), &order, 2, Some(&cursor));
        seen.extend(page);
        assert!(seen.len() <= items.len(), "pages without end");
        let Some(next) = next else { break };
        assert_eq!(Cursor::decode(&next.encode(), order.width()).map(|next| next.encode()), Ok(next.encode()));
        cursor = next;
    }
    assert!(seen.is_sorted_by(|a, b| order.compare(a, b) == Ordering::Less));
}

fn items() -> Vec<Snapshot> {
    (0..6_u8)
        .map(|n| Snapshot {
            name: SnapshotName {
                workspace: Id::commons(),
                id: ["a", "b", "a"][usize::from(n % 3)].parse().expect("an id"),
            },
            uid: Uuid::from_u128(n.into()),
            create_time: i64::from(n / 2),
            expire_time: -i64::from(n),
            contents: fixture::snapshot().contents.filter(|_| n > 2),
            ..fixture::snapshot()
        })
        .collect()
}
