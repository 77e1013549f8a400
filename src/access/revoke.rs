//! Ends keys.

use super::{ApiKeys, Caller, Permission, State, View};
use crate::{
    error::Error,
    etag::Etag,
    names::ApiKeyName,
    records::{ApiKey, Change},
};

impl ApiKeys {
    /// Revokes a key: no call that begins after the answer comes in with it, and
    /// those that are open end (**A4**).
    pub async fn revoke(&self, caller: &Caller, name: &ApiKeyName, etag: Option<Etag>) -> Result<View, Error> {
        let (view, is_new) = self.inner.records.change(|| self.revocation(caller, name, etag)).await?;
        if is_new {
            tracing::info!(%name, by = caller.name(), "API key revoked");
        }
        Ok(view)
    }

    /// The key as it will be, and whether that is news.
    fn revocation(
        &self,
        caller: &Caller,
        name: &ApiKeyName,
        etag: Option<Etag>,
    ) -> Result<(Change, (View, bool)), Error> {
        let inner = &self.inner;
        self.check_still(caller)?;
        // Of the record alone: the keyring is told of a change a moment later.
        let seen = match inner.records.get(&ApiKey::at(&name.0))? {
            Some(seen) if self.manages(caller, &seen)? => seen,
            // Whether there is such a key, and where, is for those who may see it.
            _ => {
                self.check_everywhere(caller, Permission::Operate)?;
                return Err(Error::NotFound(name.to_string()));
            }
        };
        Etag::check(etag, &name.to_string(), seen.uid, seen.revision)?;
        let now = inner.clock.now();
        let used = inner.keyring.get(name.0.as_str()).filter(|known| known.record.uid == seen.uid);
        let last_used_time = used.and_then(|known| known.view(now).last_used_time);
        let view = |record: ApiKey| View { state: State::of(&record, now), last_used_time, record };
        if State::of(&seen, now) == State::Revoked {
            return Ok((Change::default(), (view(seen.record), false)));
        }
        let next = ApiKey { revoke_time: Some(now), revision: seen.revision + 1, ..seen.record.clone() };
        let mut change = Change::default().replace(&seen, &next);
        // Who revokes its own key requires no more than what it replaces.
        if caller.key().is_none_or(|key| key.uid != seen.uid) {
            change = self.require_caller(change, caller)?;
        }
        if self.is_active_operator(&seen) {
            let others = inner.keyring.all().into_iter().filter(|other| other.record.uid != seen.uid);
            let other = others.into_iter().find(|other| self.is_active_operator(&other.record));
            let other = other.ok_or_else(|| Error::LastOperatorKey(name.to_string()))?;
            // Two operators do not revoke each other: the second is the last.
            let other = inner.records.get(&ApiKey::at(&other.record.name.0))?;
            change = change.require(&other.ok_or_else(|| Error::LastOperatorKey(name.to_string()))?);
        }
        Ok((change, (view(next), true)))
    }
}
