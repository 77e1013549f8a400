//! The keys in memory.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Micros,
    names::Id,
    records::{ApiKey, Scope},
    share::Tenant,
};

/// Whether a key lets its bearer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Active,
    /// Its time is over.
    Expired,
    /// An operator has ended it.
    Revoked,
}

impl State {
    /// That of a key at a time.
    #[must_use]
    pub fn of(key: &ApiKey, now: Micros) -> Self {
        if key.revoke_time.is_some() {
            Self::Revoked
        } else if key.expire_time.is_some_and(|end| end <= now) {
            Self::Expired
        } else {
            Self::Active
        }
    }

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
        }
    }
}

/// A key as callers see it.
#[derive(Clone, Debug)]
pub struct View {
    /// What it is.
    pub record: ApiKey,
    /// Whether it lets its bearer in.
    pub state: State,
    /// When it was used last; absent: never.
    pub last_used_time: Option<Micros>,
}

/// A key. A changed one takes the place of the one before.
#[derive(Debug)]
pub(super) struct Known {
    pub record: ApiKey,
    /// Whose part of shared budgets its bearer has.
    pub tenant: Tenant,
    pub ended: CancellationToken,
    pub last_used: AtomicI64,
    /// It was used since that was last stored.
    pub used: AtomicBool,
}

impl Known {
    pub fn view(&self, now: Micros) -> View {
        let last_used_time = Some(self.last_used.load(Ordering::Relaxed)).filter(|time| *time != 0);
        View { state: State::of(&self.record, now), last_used_time, record: self.record.clone() }
    }

    pub fn note_use(&self, now: Micros) {
        self.last_used.fetch_max(now, Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
    }
}

/// A key is one of the first workspace in which it has a role: with a part of its own, keys of
/// two workspaces would be as many parts as there are such keys. One with a role in all of them,
/// which only an operator of the server makes, has a part of its own.
fn tenant(key: &ApiKey) -> Tenant {
    let is_everywhere = key.bindings.iter().any(|binding| binding.scope == Scope::Everywhere);
    match key.bindings.first().and_then(|first| first.scope.workspace()) {
        Some(first) if !is_everywhere => Tenant::new(first.as_str(), Some(key.name.0.as_str())),
        _ => Tenant::new(&key.name.to_string(), None),
    }
}

/// All keys, by id, and whether there is need of one.
#[derive(Debug, Default)]
pub(super) struct Keyring {
    keys: RwLock<HashMap<Id, Arc<Known>>>,
    /// Cancelled when nobody comes in without a key any more.
    closed: CancellationToken,
}

impl Keyring {
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub fn close(&self) {
        self.closed.cancel();
    }

    pub fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    pub fn get(&self, id: &str) -> Option<Arc<Known>> {
        self.keys.read().get(id).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Known>> {
        self.keys.read().values().cloned().collect()
    }

    /// Takes a key in; ends the one of that id, and those who came in with it. What is
    /// known of its use stays known if it is the same key.
    pub fn put(&self, record: ApiKey, last_used: Micros) {
        let mut keys = self.keys.write();
        let before = keys.get(&record.name.0).cloned();
        let same = before.as_deref().filter(|before| before.record.uid == record.uid);
        let used_before = same.map_or(0, |same| same.last_used.load(Ordering::Relaxed));
        let known = Known {
            tenant: tenant(&record),
            ended: CancellationToken::new(),
            last_used: AtomicI64::new(last_used.max(used_before)),
            used: AtomicBool::new(same.is_some_and(|same| same.used.load(Ordering::Relaxed))),
            record,
        };
        keys.insert(known.record.name.0.clone(), Arc::new(known));
        if let Some(before) = before {
            before.ended.cancel();
        }
    }

    /// Forgets a key, and ends those who came in with it.
    pub fn remove(&self, gone: &ApiKey) {
        if let Some(known) = self.keys.write().remove(&gone.name.0) {
            known.ended.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::records::{Role, RoleBinding, fixture};

    fn tenant_of(workspaces: &[&str]) -> Tenant {
        let scope = |workspace: &str| match workspace.parse() {
            Ok(id) => Scope::Workspace { id, uid: Uuid::nil() },
            Err(_) => Scope::Everywhere,
        };
        let binding = |workspace: &&str| RoleBinding { scope: scope(workspace), role: Role::Reader };
        let bindings = workspaces.iter().map(binding).collect();
        tenant(&ApiKey { bindings, ..fixture::api_key() })
    }

    #[test]
    fn keys_of_several_workspaces_are_not_parts_of_their_own() {
        assert_eq!(tenant_of(&["a"]), Tenant::new("a", Some("k")));
        assert_eq!(tenant_of(&["a", "b"]), Tenant::new("a", Some("k")));
        assert_eq!(tenant_of(&["b", "-"]), Tenant::new("apiKeys/k", None));
    }
}
