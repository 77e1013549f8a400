//! API keys: who may do what, and where.
//!
//! **A1** A secret is shown once. What is stored is its SHA-256, compared in
//! constant time; neither is logged. **A2** From its first key on a server lets
//! nobody in without one, for good: that is a record of its own, because keys end.
//! **A3** A caller can bind a role only in workspaces in which it is an operator, so nobody
//! gains a right by making a key: keys are made, seen and revoked by operators of every
//! workspace that they have a role in.
//! **A4** A key that has ended lets no call in, not even one that had begun, and ends
//! what is open: streams, and messages that are still coming.
//!
//! All keys are in memory: letting a call in costs a hash and no read.

mod bootstrap;
mod caller;
mod check;
mod create;
mod entropy;
mod keyring;
mod revoke;
mod role;
mod secret;
mod subscriptions;
mod tend;

use std::{path::Path, sync::Arc};

use self::keyring::Keyring;
pub use self::{
    bootstrap::{BootstrapError, check as check_bootstrap},
    caller::{ANONYMOUS, Caller},
    check::Readable,
    create::CreateApiKey,
    keyring::{State, View},
    role::{Permission, grants},
    secret::Secret,
};
use crate::{
    clock::Clock,
    error::Error,
    names::ApiKeyName,
    records::{AccessPolicy, ApiKey, ApiKeyUse, Record, Records},
    workspace::Workspaces,
};

/// The keys. Clones share them.
#[derive(Clone)]
pub struct ApiKeys {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    clock: Clock,
    workspaces: Workspaces,
    keyring: Keyring,
}

/// Makes the keyring what the records say, and returns as of which revision.
fn read_keys(inner: &Inner) -> Result<u64, Error> {
    let Inner { records, keyring, .. } = inner;
    let (keys, policy, revision) = {
        let at = records.at();
        let keys = at.scan(&ApiKey::all()).collect::<Result<Vec<_>, _>>()?;
        (keys, at.get(&AccessPolicy::all())?, at.revision())
    };
    keyring.all().iter().for_each(|known| keyring.remove(&known.record));
    for found in keys {
        let used = records.cache().get(&ApiKeyUse::at(found.uid)).unwrap_or_else(|error| {
            tracing::warn!(error = error.in_full(), key = %found.name, "when an API key was last used cannot be read");
            None
        });
        keyring.put(found.record, used.map_or(0, |used| used.last_used_time));
    }
    if policy.is_some() {
        keyring.close();
    }
    Ok(revision)
}

impl ApiKeys {
    /// The keys in the records, and the one of the bootstrap file.
    pub async fn open(
        records: Records,
        clock: Clock,
        workspaces: Workspaces,
        bootstrap_file: Option<&Path>,
    ) -> Result<Self, BootstrapError> {
        let inner = Arc::new(Inner { records, clock, workspaces, keyring: Keyring::default() });
        // What changes behind what was read is told; that is kept for long enough but for once.
        while subscriptions::subscribe(&inner, read_keys(&inner)?).is_err() {}
        let keys = Self { inner };
        if let Some(file) = bootstrap_file {
            keys.bootstrap(file).await?;
        }
        Ok(keys)
    }

    /// Whether calls need a key (**A2**).
    #[must_use]
    pub fn are_required(&self) -> bool {
        self.inner.keyring.is_closed()
    }

    /// One key.
    pub fn get(&self, caller: &Caller, name: &ApiKeyName) -> Result<View, Error> {
        let found = self.inner.keyring.get(name.0.as_str());
        if let Some(found) = &found
            && (caller.is(found) || self.manages(caller, &found.record)?)
        {
            return Ok(found.view(self.inner.clock.now()));
        }
        // Whether there is such a key is for those who may see it.
        self.check_everywhere(caller, Permission::Operate)?;
        Err(Error::NotFound(name.to_string()))
    }

    /// The keys that a caller may get.
    pub fn list(&self, caller: &Caller) -> Result<Vec<View>, Error> {
        let now = self.inner.clock.now();
        let mut views = Vec::new();
        for known in self.inner.keyring.all() {
            if caller.is(&known) || self.manages(caller, &known.record)? {
                views.push(known.view(now));
            }
        }
        Ok(views)
    }

    /// Whether a caller is an operator wherever a key has a role (**A3**).
    fn manages(&self, caller: &Caller, key: &ApiKey) -> Result<bool, Error> {
        for binding in &key.bindings {
            if !self.may_bind(caller, binding)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
