//! `request_id` makes a create safe to repeat: the same id with the same
//! arguments from the same caller within 24 hours means the same resource.

use std::{str::FromStr, time::Duration};

use uuid::Uuid;

use crate::{
    clock::{Clock, Micros, micros},
    ended,
    error::Error,
    records::{Change, Record, Records, RequestId},
};

/// How long an answer is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// A request that may be repeated.
#[derive(Clone, Debug)]
pub struct Request {
    /// The RPC.
    pub method: &'static str,
    /// Who called.
    pub caller: String,
    /// The caller's id for it.
    pub id: String,
    /// A hash of the other arguments.
    pub fingerprint: u128,
}

/// What was created for a request. It may be gone by now.
pub struct Answer {
    name: String,
    /// Its uid.
    pub uid: Uuid,
}

impl Answer {
    /// The name that it got.
    pub fn name<N: FromStr>(&self) -> Result<N, Error> {
        self.name.parse().map_err(|_| Error::internal(format!("{} is not the name of an answer", self.name)))
    }

    /// What bears its name now, if that is what was created.
    pub fn if_same<T>(&self, found: T, uid: Uuid) -> Result<T, Error> {
        if uid == self.uid { Ok(found) } else { Err(Error::NotFound(self.name.clone())) }
    }
}

/// What was created for the request before, if it was made before.
pub fn answered(records: &Records, clock: &Clock, request: Option<&Request>) -> Result<Option<Answer>, Error> {
    let Some(request) = request else { return Ok(None) };
    let key = RequestId::at(request.method, &request.caller, &request.id);
    let Some(known) = records.get(&key)? else { return Ok(None) };
    if is_over(&known, clock.now()) {
        return Ok(None);
    }
    if known.arguments != request.fingerprint {
        return Err(Error::RequestIdReused);
    }
    Ok(Some(Answer { uid: known.uid, name: known.record.name }))
}

/// Remembers in the change that creates the resource what it answers. A change that
/// answers the same request meanwhile conflicts with it.
pub fn remember(
    change: Change,
    records: &Records,
    request: Option<&Request>,
    (name, uid): (&str, Uuid),
    now: Micros,
) -> Result<Change, Error> {
    let Some(request) = request else { return Ok(change) };
    let answer = RequestId {
        method: request.method.to_owned(),
        caller: request.caller.clone(),
        request_id: request.id.clone(),
        name: name.to_owned(),
        uid,
        arguments: request.fingerprint,
        create_time: now,
    };
    Ok(match records.get(&answer.key())? {
        Some(old) if is_over(&old, now) => change.replace(&old, &answer),
        _ => change.insert(&answer),
    })
}

/// Forgets answers that need not be remembered any more.
pub async fn forget(records: &Records, clock: &Clock) -> Result<(), Error> {
    let Some(now) = clock.confirmed() else { return Ok(()) };
    ended::forget(records, &RequestId::by_time(), now - micros(REMEMBERED)).await
}

/// Whether a remembered answer may be forgotten.
fn is_over(known: &RequestId, now: Micros) -> bool {
    known.create_time + micros(REMEMBERED) <= now
}
