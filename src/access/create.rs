//! Makes keys.

use std::collections::BTreeMap;

use super::{
    ApiKeys, Caller, Permission, Secret, State, View,
    role::{everywhere, is_full_operator},
};
use crate::{
    clock::{Expiration, new_uid},
    error::{Error, Kind},
    idempotency::{self, Request},
    names::{ApiKeyName, Id, ListParent, WorkspaceName},
    records::{AccessPolicy, ApiKey, Change, CommitError, Role, RoleBinding},
    workspace::Limits,
};

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct CreateApiKey {
    /// Its id.
    pub id: Id,
    /// Free text.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its roles.
    pub bindings: Vec<(ListParent, Role)>,
    /// When it ends; absent: when it is revoked.
    pub expiration: Option<Expiration>,
    /// To make a retry safe.
    pub request: Option<Request>,
}

impl ApiKeys {
    /// Creates a key. Its secret comes along unless the request is a repetition.
    pub async fn create(&self, caller: &Caller, command: CreateApiKey) -> Result<(View, Option<Secret>), Error> {
        let inner = &self.inner;
        let CreateApiKey { id, description, labels, bindings, expiration, request } = command;
        let name = ApiKeyName(id.clone());
        let _hold = inner.workspaces.hold().await;
        let _one_at_a_time = inner.changing.lock().await;
        // Another one may have been the first, or have revoked the caller's.
        self.check_still(caller)?;
        let bindings = self.bind(caller, bindings)?;
        if let Some(uid) = idempotency::answered(&inner.records, &inner.clock, request.as_ref())? {
            let found = self.get(caller, &name)?;
            return if found.record.uid() == uid { Ok((found, None)) } else { Err(Error::NotFound(name.to_string())) };
        }
        let now = inner.clock.now();
        let expire_time = expiration.map_or(0, |expiration| expiration.time(now));
        if expiration.is_some() && expire_time <= now {
            return Err(Error::invalid("api_key.expire_time", "must be in the future"));
        }
        let is_first = !self.are_required();
        if is_first && !(is_full_operator(&bindings) && expire_time == 0) {
            let why = "the first key must be ROLE_OPERATOR on workspaces/- and not expire: from it on, every call needs a key";
            return Err(Error::invalid("api_key.role_bindings", why));
        }
        if inner.keyring.get(id.as_str()).is_some() {
            return Err(Error::Exists { kind: Kind::ApiKey, name: name.to_string() });
        }
        let limit = inner.workspaces.limits().api_keys;
        if inner.keyring.count() >= limit {
            self.forget_oldest().await?;
        }
        Limits::check(Kind::ApiKey, "the server", inner.keyring.count(), limit)?;
        let secret = Secret::generate(&id)?;
        let record = ApiKey {
            id: id.to_string(),
            uid: new_uid().as_bytes().to_vec(),
            description,
            labels,
            bindings,
            created_by: caller.name(),
            create_time: now,
            expire_time,
            revision: 1,
            secret_sha256: secret.sha256().to_vec(),
            ..ApiKey::default()
        };
        let mut change = Change::default().insert(&record);
        if is_first {
            change = change.insert(&AccessPolicy { create_time: now, ..AccessPolicy::default() });
        }
        let change = idempotency::remember(change, request.as_ref(), &name.to_string(), record.uid(), now);
        inner.records.commit(change).await.map_err(CommitError::unexpected)?;
        inner.keyring.put(record.clone(), 0);
        if is_first {
            tracing::warn!("there is a first API key: from now on every call needs one");
            inner.keyring.close();
        }
        tracing::info!(%name, by = caller.name(), "API key created");
        Ok((View { record, state: State::Active, last_used_time: 0 }, Some(secret)))
    }

    /// Finds the workspaces of roles that the caller may give.
    fn bind(&self, caller: &Caller, bindings: Vec<(ListParent, Role)>) -> Result<Vec<RoleBinding>, Error> {
        let mut bound = Vec::with_capacity(bindings.len());
        for (place, role) in bindings {
            bound.push(match place {
                ListParent::All => {
                    self.check_everywhere(caller, Permission::Operate)?;
                    everywhere(role)
                }
                ListParent::One(WorkspaceName(workspace)) => {
                    self.check(caller, Permission::Operate, &workspace)?;
                    let found = self.inner.workspaces.stored(&workspace)?.record;
                    RoleBinding { workspace: workspace.to_string(), workspace_uid: found.uid, role: role.into() }
                }
            });
        }
        Ok(bound)
    }
}
