//! Who a caller is, and what it may do.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{ApiKeys, Caller, Permission, caller::Who, grants, keyring::State, role::is_full_operator, secret::Secret};
use crate::{
    error::{Error, KeyFault},
    names::{Id, WorkspaceName},
    records::{ApiKey, Change, RoleBinding, Scope},
};

/// The workspaces that somebody may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readable {
    /// All of them.
    All,
    /// Those of these ids.
    Only(BTreeSet<Id>),
}

impl Readable {
    /// Those of the items that lie in them.
    pub fn only<T>(&self, mut items: Vec<T>, workspace: impl Fn(&T) -> &Id) -> Vec<T> {
        match self {
            Self::All => {}
            Self::Only(readable) => items.retain(|item| readable.contains(workspace(item))),
        }
        items
    }
}

impl Readable {
    /// Passes on what is shown if it lies in them.
    pub fn passing<T>(
        &self,
        workspace: impl Fn(&T) -> &Id,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> impl FnMut(T) -> ControlFlow<()> {
        move |item| match self {
            Self::Only(readable) if !readable.contains(workspace(&item)) => ControlFlow::Continue(()),
            Self::All | Self::Only(_) => each(item),
        }
    }
}

impl ApiKeys {
    /// Who brings this secret, or nothing. Whether a key has ended is told only
    /// to who has its secret.
    pub fn authenticate(&self, secret: Option<&str>) -> Result<Caller, Error> {
        let inner = &self.inner;
        let Some(text) = secret else {
            if self.are_required() {
                return Err(self.refused(KeyFault::Missing));
            }
            return Ok(Caller(Who::Anybody { ended: inner.keyring.closed().clone() }));
        };
        let (secret, id) = Secret::parse(text).ok_or_else(|| self.refused(KeyFault::Invalid))?;
        let known = inner.keyring.get(id.as_str());
        // An unknown id costs as much as a wrong secret.
        let expected = known.as_ref().map_or(&[0; 32], |known| &known.record.secret_sha256);
        let is_right = secret.is(expected);
        let known = known.filter(|_| is_right).ok_or_else(|| self.refused(KeyFault::Invalid))?;
        match self.state_of(&known.record) {
            State::Active => {
                known.note_use(inner.clock.now());
                Ok(Caller(Who::Key(known)))
            }
            State::Expired => Err(self.refused(KeyFault::Expired)),
            State::Revoked => Err(self.refused(KeyFault::Revoked)),
        }
    }

    /// What a key is now. One that may have ended while the machine was off has.
    fn state_of(&self, key: &ApiKey) -> State {
        let clock = &self.inner.clock;
        State::of(key, clock.stamp(clock.now()))
    }

    /// Resolves when a caller may go on no longer, to why (**A4**).
    pub async fn ended(self, caller: Caller) -> Error {
        caller.ended().cancelled().await;
        self.why_ended(&caller)
    }

    /// Why a caller whose calls have ended may not go on.
    fn why_ended(&self, caller: &Caller) -> Error {
        let Some(key) = caller.key() else { return self.refused(KeyFault::Missing) };
        let now = self.inner.keyring.get(key.name.0.as_str());
        let now = now.filter(|now| now.record.uid == key.uid);
        let state = now.map_or(State::Revoked, |now| self.state_of(&now.record));
        self.refused(if state == State::Expired { KeyFault::Expired } else { KeyFault::Revoked })
    }

    /// Refuses a caller who was let in and has ended since: a call may begin long
    /// before its message comes (**A4**).
    pub fn check_still(&self, caller: &Caller) -> Result<(), Error> {
        let is_over = |key| self.state_of(key) != State::Active;
        if caller.ended().is_cancelled() || caller.key().is_some_and(is_over) {
            Err(self.why_ended(caller))
        } else {
            Ok(())
        }
    }

    /// Requires that the caller's key is still what it is.
    pub(super) fn require_caller(&self, change: Change, caller: &Caller) -> Result<Change, Error> {
        let Some(key) = caller.key() else { return Ok(change) };
        let seen = self.inner.records.get(&ApiKey::at(&key.name.0))?.filter(|seen| seen.uid == key.uid);
        Ok(change.require(&seen.ok_or_else(|| self.refused(KeyFault::Revoked))?))
    }

    /// Refuses a caller who lacks a permission in a workspace. Whether the
    /// workspace exists is no matter: who may not look is not told.
    pub fn check(&self, caller: &Caller, permission: Permission, workspace: &Id) -> Result<(), Error> {
        if self.may(caller, permission, workspace)? {
            Ok(())
        } else {
            Err(self.denied(caller, permission, WorkspaceName(workspace.clone()).to_string()))
        }
    }

    /// Refuses a caller who lacks a permission in any workspace.
    pub fn check_everywhere(&self, caller: &Caller, permission: Permission) -> Result<(), Error> {
        if Self::may_everywhere(caller, permission) {
            Ok(())
        } else {
            Err(self.denied(caller, permission, "workspaces/-".to_owned()))
        }
    }

    /// Whether a caller has a permission in a workspace.
    pub fn may(&self, caller: &Caller, permission: Permission, workspace: &Id) -> Result<bool, Error> {
        if Self::may_everywhere(caller, permission) {
            return Ok(true);
        }
        let granting = bindings(caller).iter().filter(|binding| grants(binding.role, permission));
        for binding in granting {
            match &binding.scope {
                Scope::Workspace { id, uid } if id == workspace => {
                    match self.inner.workspaces.get(&WorkspaceName(id.clone())) {
                        // A namesake of the one that the role was given in is another one.
                        Ok(found) if found.uid == *uid => return Ok(true),
                        Ok(_) | Err(Error::NotFound(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Scope::Workspace { .. } | Scope::Everywhere => {}
            }
        }
        Ok(false)
    }

    /// The workspaces that a caller may read.
    pub fn readable(&self, caller: &Caller) -> Result<Readable, Error> {
        if Self::may_everywhere(caller, Permission::Read) {
            return Ok(Readable::All);
        }
        let mut readable = BTreeSet::new();
        for workspace in bindings(caller).iter().filter_map(|binding| binding.scope.workspace()) {
            if self.may(caller, Permission::Read, workspace)? {
                readable.insert(workspace.clone());
            }
        }
        Ok(Readable::Only(readable))
    }

    /// Whether a caller has a permission in every workspace.
    #[must_use]
    pub fn may_everywhere(caller: &Caller, permission: Permission) -> bool {
        match &caller.0 {
            Who::Anybody { .. } => true,
            Who::Key(known) => known
                .record
                .bindings
                .iter()
                .any(|binding| binding.scope == Scope::Everywhere && grants(binding.role, permission)),
        }
    }

    /// Why a caller may do something nowhere.
    #[must_use]
    pub fn bar(&self, caller: &Caller, permission: Permission) -> Option<Error> {
        let Who::Key(known) = &caller.0 else { return None };
        let may = known.record.bindings.iter().any(|binding| grants(binding.role, permission));
        (!may).then(|| self.denied(caller, permission, "workspaces/-".to_owned()))
    }

    /// Whether a caller may give or take back a role (**A3**).
    pub(super) fn may_bind(&self, caller: &Caller, binding: &RoleBinding) -> Result<bool, Error> {
        if Self::may_everywhere(caller, Permission::Operate) {
            return Ok(true);
        }
        match &binding.scope {
            Scope::Everywhere => Ok(false),
            Scope::Workspace { id, uid } => Ok(self.may(caller, Permission::Operate, id)?
                // What was given in a namesake that is gone is nobody's here.
                && self.inner.workspaces.get(&WorkspaceName(id.clone()))?.uid == *uid),
        }
    }

    /// Whether a key lets an operator of everything in at this moment.
    pub(super) fn is_active_operator(&self, key: &ApiKey) -> bool {
        is_full_operator(&key.bindings) && self.state_of(key) == State::Active
    }

    pub(super) fn denied(&self, caller: &Caller, permission: Permission, resource: String) -> Error {
        let contact = self.inner.workspaces.contact();
        let (permission, role) = (permission.name(), permission.least_role());
        Error::PermissionDenied { caller: caller.name(), permission, role, resource, contact }
    }

    fn refused(&self, fault: KeyFault) -> Error {
        Error::Unauthenticated { fault, contact: self.inner.workspaces.contact() }
    }
}

fn bindings(caller: &Caller) -> &[RoleBinding] {
    caller.key().map_or(&[], |key| &key.bindings)
}
