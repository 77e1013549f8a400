//! Ends keys.

use super::{ApiKeys, Caller, Permission, State, View};
use crate::{
    error::Error,
    names::ApiKeyName,
    records::{ApiKey, Change, CommitError},
    workspace::check_etag,
};

impl ApiKeys {
    /// Revokes a key: no call that begins after the answer comes in with it, and
    /// those that are open end (**A4**).
    pub async fn revoke(&self, caller: &Caller, name: &ApiKeyName, etag: Option<&str>) -> Result<View, Error> {
        let inner = &self.inner;
        let _one_at_a_time = inner.changing.lock().await;
        self.check_still(caller)?;
        let known = match inner.keyring.get(name.0.as_str()) {
            Some(known) if self.manages(caller, &known.record)? => known,
            // Whether there is such a key, and where, is for those who may see it.
            _ => {
                self.check_everywhere(caller, Permission::Operate)?;
                return Err(Error::NotFound(name.to_string()));
            }
        };
        check_etag(etag, &name.to_string(), &known.record.uid, known.record.revision)?;
        let now = inner.clock.now();
        if State::of(&known.record, now) == State::Revoked {
            return Ok(known.view(now));
        }
        let others = || inner.keyring.all().into_iter().filter(|other| other.record.uid != known.record.uid);
        if self.is_active_operator(&known.record) && !others().any(|other| self.is_active_operator(&other.record)) {
            return Err(Error::LastOperatorKey(name.to_string()));
        }
        let seen = inner.records.get(&ApiKey::at(name.0.as_str()))?;
        let seen = seen.ok_or_else(|| Error::internal("a key without its record"))?;
        let next = ApiKey { revoke_time: now, revision: seen.revision + 1, ..seen.record.clone() };
        let change = Change::default().replace(&seen, &next);
        inner.records.commit(change).await.map_err(CommitError::unexpected)?;
        let view = View { record: next.clone(), state: State::Revoked, ..known.view(now) };
        inner.keyring.put(next, view.last_used_time);
        tracing::info!(%name, by = caller.name(), "API key revoked");
        Ok(view)
    }
}
