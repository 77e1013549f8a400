//! Records of before format 4 become small ones: what there may be many of gets records
//! of its own, in the change that takes it away where it was.

use crate::{
    error::Error,
    records::{
        AccessPolicy, BootstrapSecret, Change, Collection, Key, Record, Records, Restore, RestoreState, SourcePosition,
    },
};

/// Records that are divided in one change: each may become a hundred kilobytes, and an
/// entry of the log holds 4 MiB.
const AT_ONCE: usize = 16;
/// Secrets in one change.
const SECRETS_AT_ONCE: usize = 1_000;

/// Divides all of them. Begun anew, it goes on with those that are left.
pub async fn divide(records: &Records) -> Result<(), Error> {
    divide_each(records, &Collection::all(), collection).await?;
    divide_each(records, &Restore::all(), restore).await?;
    divide_policy(records).await
}

/// Divides the records of a kind that have something to divide.
async fn divide_each<R: Record>(
    records: &Records,
    all: &Key<R>,
    divided: fn(R) -> Option<(R, Vec<SourcePosition>)>,
) -> Result<(), Error> {
    let mut found = Vec::new();
    for seen in records.scan(all) {
        let seen = seen?;
        if let Some(parts) = divided(seen.record.clone()) {
            found.push((seen, parts));
        }
    }
    for some in found.chunks(AT_ONCE) {
        let change = some.iter().fold(Change::default(), |change, (seen, (next, positions))| {
            positions.iter().fold(change.replace(seen, next), Change::put)
        });
        records.change(|| Ok((change.clone(), ()))).await?;
    }
    Ok(())
}

fn collection(mut record: Collection) -> Option<(Collection, Vec<SourcePosition>)> {
    let positions = std::mem::take(&mut record.restore_info.as_mut()?.source_positions);
    let positions = of(&record.uid, positions);
    (!positions.is_empty()).then_some((record, positions))
}

/// The collection of one that has ended has them, if it is still there.
fn restore(mut record: Restore) -> Option<(Restore, Vec<SourcePosition>)> {
    let positions = std::mem::take(&mut record.source_positions);
    if positions.is_empty() {
        return None;
    }
    let is_needed = record.state() == RestoreState::Publishing;
    let positions = if is_needed { of(&record.collection_uid, positions) } else { Vec::new() };
    Some((record, positions))
}

fn of(collection: &[u8], positions: Vec<SourcePosition>) -> Vec<SourcePosition> {
    let of = |position| SourcePosition { collection_uid: collection.to_vec(), ..position };
    positions.into_iter().map(of).collect()
}

/// The secrets first, as many changes as they take: until they are all there, they are
/// where they were, too.
async fn divide_policy(records: &Records) -> Result<(), Error> {
    let Some(policy) = records.get(&AccessPolicy::all())? else { return Ok(()) };
    for some in policy.bootstrap_sha256.chunks(SECRETS_AT_ONCE) {
        let secret =
            |sha256: &Vec<u8>| BootstrapSecret { secret_sha256: sha256.clone(), take_time: policy.create_time };
        let change = some.iter().map(secret).fold(Change::default(), |change, secret| change.put(&secret));
        records.change(|| Ok((change.clone(), ()))).await?;
    }
    if policy.bootstrap_sha256.is_empty() {
        return Ok(());
    }
    let next = AccessPolicy { bootstrap_sha256: Vec::new(), ..policy.record.clone() };
    records.change(|| Ok((Change::default().replace(&policy, &next), ()))).await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// One that is about to be published has no collection yet that has them.
    #[test]
    fn a_restore_gives_what_it_knows_to_a_collection_that_is_still_to_come() {
        let bytes = |n: u128| Uuid::from_u128(n).as_bytes().to_vec();
        let known = SourcePosition { source_uid: bytes(1), objects: 3, ..SourcePosition::default() };
        let record = |state: RestoreState, source_positions| Restore {
            state: state.into(),
            collection_uid: bytes(2),
            source_positions,
            ..Restore::default()
        };
        let given = SourcePosition { collection_uid: bytes(2), ..known.clone() };
        for (state, expected) in [(RestoreState::Publishing, vec![given]), (RestoreState::Succeeded, Vec::new())] {
            let divided = restore(record(state, vec![known.clone()]));
            assert_eq!(divided, Some((record(state, Vec::new()), expected)));
            assert_eq!(restore(record(state, Vec::new())), None);
        }
    }
}
