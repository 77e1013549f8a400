//! Records of before format 4 become small ones: what there may be many of gets records
//! of its own, in the change that takes it away where it was.

use crate::{
    damage::Damage,
    error::Error,
    records::{AccessPolicy, AsStored, BootstrapSecret, Change, Collection, Record, Records, Restore, SourcePosition},
    stored::{self, RestoreState},
};

/// Records that are divided in one change: each may become a hundred kilobytes, and an
/// entry of the log holds 4 MiB.
const AT_ONCE: usize = 16;
/// Secrets in one change.
const SECRETS_AT_ONCE: usize = 1_000;

/// What is left of a message, and what gets records of its own.
type Divided<M> = (M, Vec<stored::SourcePosition>);

/// Divides all of them. Begun anew, it goes on with those that are left.
pub async fn divide(records: &Records) -> Result<(), Error> {
    divide_each::<Collection>(records, collection).await?;
    divide_each::<Restore>(records, restore).await?;
    divide_policy(records).await
}

/// Divides the records of a kind that have something to divide.
async fn divide_each<R: Record<Message: Clone>>(
    records: &Records,
    divided: fn(R::Message) -> Option<Divided<R::Message>>,
) -> Result<(), Error> {
    let mut found = Vec::new();
    for seen in records.scan(&AsStored::<R>::all()) {
        let seen = seen?;
        if let Some((message, positions)) = divided(seen.message.clone()) {
            let positions = positions.into_iter().map(SourcePosition::read).collect::<Result<Vec<_>, Damage>>();
            let positions = positions.map_err(|damage| damage.of(&format!("a source position in {:?}", seen.key())))?;
            found.push((seen.with(message), seen, positions));
        }
    }
    for some in found.chunks(AT_ONCE) {
        let change = some.iter().fold(Change::default(), |change, (next, seen, positions)| {
            positions.iter().fold(change.replace(seen, next), Change::put)
        });
        records.change(|| Ok((change.clone(), ()))).await?;
    }
    Ok(())
}

fn collection(mut record: stored::Collection) -> Option<Divided<stored::Collection>> {
    let positions = std::mem::take(&mut record.restore_info.as_mut()?.source_positions);
    let positions = of(&record.uid, positions);
    (!positions.is_empty()).then_some((record, positions))
}

/// The collection of one that has ended has them, if it is still there.
fn restore(mut record: stored::Restore) -> Option<Divided<stored::Restore>> {
    let positions = std::mem::take(&mut record.source_positions);
    if positions.is_empty() {
        return None;
    }
    let is_needed = record.state() == RestoreState::Publishing;
    let positions = if is_needed { of(&record.collection_uid, positions) } else { Vec::new() };
    Some((record, positions))
}

fn of(collection: &[u8], positions: Vec<stored::SourcePosition>) -> Vec<stored::SourcePosition> {
    let of = |position| stored::SourcePosition { collection_uid: collection.to_vec(), ..position };
    positions.into_iter().map(of).collect()
}

/// The secrets first, as many changes as they take: until they are all there, they are
/// where they were, too.
async fn divide_policy(records: &Records) -> Result<(), Error> {
    let Some(policy) = records.get(&AsStored::<AccessPolicy>::all())? else { return Ok(()) };
    let stored::AccessPolicy { create_time, bootstrap_sha256 } = policy.message.clone();
    for some in bootstrap_sha256.chunks(SECRETS_AT_ONCE) {
        let secret = |sha256: &Vec<u8>| {
            let secret_sha256 = sha256.clone();
            BootstrapSecret::read(stored::BootstrapSecret { secret_sha256, take_time: create_time })
        };
        let secrets = some.iter().map(secret).collect::<Result<Vec<_>, Damage>>();
        let secrets = secrets.map_err(|damage| damage.of("a secret in the access policy"))?;
        let change = secrets.iter().fold(Change::default(), Change::put);
        records.change(|| Ok((change.clone(), ()))).await?;
    }
    if bootstrap_sha256.is_empty() {
        return Ok(());
    }
    let next = policy.with(stored::AccessPolicy { create_time, bootstrap_sha256: Vec::new() });
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
        let known = stored::SourcePosition { source_uid: bytes(1), objects: 3, ..stored::SourcePosition::default() };
        let record = |state: RestoreState, source_positions| stored::Restore {
            state: state.into(),
            collection_uid: bytes(2),
            source_positions,
            ..stored::Restore::default()
        };
        let given = stored::SourcePosition { collection_uid: bytes(2), ..known.clone() };
        for (state, expected) in [(RestoreState::Publishing, vec![given]), (RestoreState::Succeeded, Vec::new())] {
            let divided = restore(record(state, vec![known.clone()]));
            assert_eq!(divided, Some((record(state, Vec::new()), expected)));
            assert_eq!(restore(record(state, Vec::new())), None);
        }
    }
}
