//! Who calls.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{keyring::Known, role::everywhere};
use crate::{
    records::{ApiKey, Role, RoleBinding},
    share::Tenant,
};

/// The name of whoever calls a server that has no keys.
pub const ANONYMOUS: &str = "anonymous";
/// The name of the server itself, as a maker of keys.
pub(super) const SERVER: &str = "server";

/// Who calls. Clones are the same.
#[derive(Clone, Debug)]
pub struct Caller(pub(super) Who);

#[derive(Clone, Debug)]
pub(super) enum Who {
    /// Anybody, as long as there are no keys; ended by the first one.
    Anybody { ended: CancellationToken },
    /// The bearer of a key.
    Key(Arc<Known>),
}

impl Caller {
    /// Anybody, before there is a key.
    #[cfg(any(test, feature = "fuzz"))]
    #[must_use]
    pub fn anybody() -> Self {
        Self(Who::Anybody { ended: CancellationToken::new() })
    }

    /// `apiKeys/{id}`, or `anonymous`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.0 {
            Who::Anybody { .. } => ANONYMOUS.to_owned(),
            Who::Key(known) => known.record.name.to_string(),
        }
    }

    /// The roles. Anybody is an operator.
    #[must_use]
    pub fn bindings(&self) -> Vec<RoleBinding> {
        match &self.0 {
            Who::Anybody { .. } => vec![everywhere(Role::Operator)],
            Who::Key(known) => known.record.bindings.clone(),
        }
    }

    /// The key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<&ApiKey> {
        match &self.0 {
            Who::Anybody { .. } => None,
            Who::Key(known) => Some(&known.record),
        }
    }

    /// Whose part of shared budgets the caller has.
    #[must_use]
    pub fn tenant(&self) -> Tenant {
        match &self.0 {
            Who::Anybody { .. } => Tenant::of_workspace(ANONYMOUS),
            Who::Key(known) => known.tenant.clone(),
        }
    }

    /// The same, at work in a workspace.
    #[must_use]
    pub fn tenant_in(&self, workspace: &str) -> Tenant {
        let key = self.key().map(|key| key.name.0.as_str());
        Tenant::new(workspace, key)
    }

    /// Cancelled when the caller may go on no longer (**A4**).
    #[must_use]
    pub fn ended(&self) -> &CancellationToken {
        match &self.0 {
            Who::Anybody { ended } => ended,
            Who::Key(known) => &known.ended,
        }
    }

    /// Whether it is the bearer of this key.
    pub(super) fn is(&self, other: &Known) -> bool {
        self.key().is_some_and(|key| key.uid == other.record.uid)
    }
}
