//! Makes keys.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    ApiKeys, Caller, Permission, Secret, State, View,
    role::{everywhere, is_full_operator},
};
use crate::{
    clock::Expiration,
    error::{Error, Kind},
    idempotency::{self, Request},
    names::{ApiKeyName, Id, ListParent, WorkspaceName},
    records::{AccessPolicy, ApiKey, Change, Role, RoleBinding, Scope},
    unnamed,
    workspace::{Limits, Room},
};

/// What a caller asks for.
#[derive(Clone, Debug)]
pub struct CreateApiKey {
    /// Its id; absent: the server makes one.
    pub id: Option<Id>,
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
        let (inner, command) = (&self.inner, &command);
        let created = unnamed::create(&inner.clock, Kind::ApiKey, command.id.as_ref(), |id, uid| async move {
            inner.records.change(|| self.creation(caller, command, &id, uid)).await
        });
        let (view, secret) = created.await?;
        if secret.is_some() {
            tracing::info!(name = %view.record.name, by = caller.name(), "API key created");
        }
        Ok((view, secret))
    }

    /// A new key under a free id with its secret, or the one that the same request has
    /// made already, without.
    fn creation(
        &self,
        caller: &Caller,
        command: &CreateApiKey,
        id: &Id,
        uid: Uuid,
    ) -> Result<(Change, (View, Option<Secret>)), Error> {
        let inner = &self.inner;
        let CreateApiKey { id: _, description, labels, bindings, expiration, request } = command;
        let (name, request) = (ApiKeyName(id.clone()), request.as_ref());
        // Another one may have been the first, or have revoked the caller's.
        self.check_still(caller)?;
        let (bindings, change) = self.bind(caller, bindings, Change::default())?;
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request)? {
            let found = self.get(caller, &answer.name()?)?;
            let uid = found.record.uid;
            return Ok((Change::default(), (answer.if_same(found, uid)?, None)));
        }
        let now = inner.clock.now();
        let expire_time = expiration.map(|expiration| expiration.time(now));
        if expire_time.is_some_and(|end| end <= now) {
            return Err(Error::invalid("api_key.expire_time", "must be in the future"));
        }
        let is_first = !self.are_required();
        if is_first && !(is_full_operator(&bindings) && expire_time.is_none()) {
            let why = "the first key must be ROLE_OPERATOR on workspaces/- and not expire: from it on, every call needs a key";
            return Err(Error::invalid("api_key.role_bindings", why));
        }
        if inner.keyring.get(id.as_str()).is_some() {
            return Err(Error::Exists { kind: Kind::ApiKey, name: name.to_string() });
        }
        let secret = Secret::generate(id)?;
        let record = ApiKey {
            name: name.clone(),
            uid,
            description: description.clone(),
            labels: labels.clone(),
            bindings,
            created_by: caller.name(),
            create_time: now,
            expire_time,
            revoke_time: None,
            revision: 1,
            secret_sha256: secret.sha256(),
        };
        let change = self.require_caller(change.insert(&record), caller)?;
        let mut change = self.make_room(caller, &record, change)?;
        if is_first {
            change = change.insert(&AccessPolicy { create_time: now });
        }
        let change = idempotency::remember(change, &inner.records, request, (&name.to_string(), uid), now)?;
        Ok((change, (View { record, state: State::Active, last_used_time: None }, Some(secret))))
    }

    /// Refuses one more key than there may be. One that has ended gives way, so that
    /// such never keep anybody from making a new one.
    fn make_room(&self, caller: &Caller, new: &ApiKey, mut change: Change) -> Result<Change, Error> {
        let inner = &self.inner;
        let Limits { api_keys, api_keys_of_workspace, .. } = *inner.workspaces.limits();
        // The last tenth is for operators of everything: nobody else keeps them out.
        let may_have_all = Self::may_everywhere(caller, Permission::Operate);
        let (limit, every) = (if may_have_all { api_keys } else { api_keys - api_keys / 10 }, ApiKey::every());
        let workspaces: BTreeSet<&Id> = new.bindings.iter().filter_map(|binding| binding.scope.workspace()).collect();
        for workspace in workspaces {
            let room = Room {
                kind: Kind::ApiKey,
                parent: format!("workspaces/{workspace}"),
                limit: api_keys_of_workspace,
                term: &ApiKey::in_workspace(workspace),
                after: None,
            };
            change = room.check(change, &inner.records)?;
        }
        // More than one where a bootstrap file has brought one more than there may be.
        let surplus = (inner.records.count(&every) + 1).saturating_sub(limit);
        let ended = if surplus > 0 { self.first_ended(surplus)? } else { Vec::new() };
        if ended.len() < surplus {
            return Err(Error::TooMany { kind: Kind::ApiKey, parent: "the server".to_owned(), limit });
        }
        Ok(ended.iter().fold(change, Change::remove).at_most(limit, &every, None))
    }

    /// Finds the workspaces of roles that the caller may give, which must be there then.
    fn bind(
        &self,
        caller: &Caller,
        bindings: &[(ListParent, Role)],
        mut change: Change,
    ) -> Result<(Vec<RoleBinding>, Change), Error> {
        let mut bound = Vec::with_capacity(bindings.len());
        for (place, role) in bindings {
            bound.push(match place {
                ListParent::All => {
                    self.check_everywhere(caller, Permission::Operate)?;
                    everywhere(*role)
                }
                ListParent::One(WorkspaceName(workspace)) => {
                    self.check(caller, Permission::Operate, workspace)?;
                    let found = self.inner.workspaces.stored(workspace)?;
                    change = change.require(&found);
                    let scope = Scope::Workspace { id: workspace.clone(), uid: found.uid };
                    RoleBinding { scope, role: *role }
                }
            });
        }
        Ok((bound, change))
    }
}
