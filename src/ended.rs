//! Bounds how many snapshots and restores that have ended are still listed: the newest of each
//! workspace. A new one evicts a few of the oldest.

use crate::{
    clock::Micros,
    error::Error,
    records::{Change, Record, Records, Term},
};

/// How many go at most for one that comes: where there are far too many, they soon
/// become fewer, and nobody waits for it.
const GIVE_WAY: usize = 16;
/// How many are forgotten in one change because their time is over.
const AT_ONCE: usize = 256;

/// With a change that adds one, the oldest under a term of ended ones go that are more
/// than are kept.
pub fn give_way<R: Record>(change: Change, records: &Records, term: &Term<R>, kept: usize) -> Result<Change, Error> {
    let surplus = (records.count(term) + 1).saturating_sub(kept).min(GIVE_WAY);
    let oldest = records.find_until(term, Micros::MAX, surplus)?;
    Ok(oldest.iter().fold(change, Change::remove))
}

/// Forgets those under a term of ended ones whose time is over.
pub async fn forget<R: Record>(records: &Records, term: &Term<R>, until: Micros) -> Result<(), Error> {
    loop {
        let over = records.find_until(term, until, AT_ONCE)?;
        let change = over.iter().fold(Change::default(), Change::remove);
        // Something new may have taken the place of one: the next look sees the rest.
        if over.is_empty() || !records.commit_if_unchanged(change).await? {
            return Ok(());
        }
    }
}
