//! Compares two collections document by document, reading both at once.

use std::collections::VecDeque;

use stillframe::pb;

use crate::{Result, check, client::Client, scan::Reader};

/// Returns how many documents they have in common, which is all.
pub async fn equal(left: (&Client, &str), right: (&Client, &str)) -> Result<u64> {
    let mut one = Side::open(left.0, left.1).await?;
    let mut other = Side::open(right.0, right.1).await?;
    let mut count = 0;
    loop {
        match (one.next().await?, other.next().await?) {
            (None, None) => return Ok(count),
            (Some(a), Some(b)) => {
                check(a == b, || format!("{} and {} differ at {} and {}", left.1, right.1, a.id, b.id))?;
            }
            (a, b) => {
                let id = a.or(b).unwrap_or_default().id;
                return Err(format!("only one of {} and {} has {id}", left.1, right.1).into());
            }
        }
        count += 1;
    }
}

struct Side {
    reader: Reader,
    pending: VecDeque<pb::Document>,
}

impl Side {
    async fn open(client: &Client, collection: &str) -> Result<Self> {
        Ok(Self { reader: Reader::open(client, collection).await?, pending: VecDeque::new() })
    }

    async fn next(&mut self) -> Result<Option<pb::Document>> {
        while self.pending.is_empty() {
            match self.reader.next().await? {
                Some(documents) => self.pending = documents.into(),
                None => return Ok(None),
            }
        }
        Ok(self.pending.pop_front())
    }
}
