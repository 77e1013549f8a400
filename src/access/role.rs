//! What a role allows.

use crate::records::{Role, RoleBinding, Scope};

/// What an RPC needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To read what is in a workspace.
    Read,
    /// To change documents, collections and sources.
    Write,
    /// To make snapshots and restores.
    Snapshot,
    /// To set gates, and to manage workspaces and keys.
    Operate,
}

impl Permission {
    /// Its name, for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Snapshot => "SNAPSHOT",
            Self::Operate => "OPERATE",
        }
    }

    /// The role that has it and as little else as possible.
    #[must_use]
    pub const fn least_role(self) -> &'static str {
        match self {
            Self::Read => "READER",
            Self::Write => "WRITER",
            Self::Snapshot => "SNAPSHOT_ADMIN",
            Self::Operate => "OPERATOR",
        }
    }
}

/// Whether a role has a permission.
#[must_use]
pub const fn grants(role: Role, permission: Permission) -> bool {
    match role {
        Role::Reader => matches!(permission, Permission::Read),
        Role::Writer => matches!(permission, Permission::Read | Permission::Write),
        Role::SnapshotAdmin => matches!(permission, Permission::Read | Permission::Snapshot),
        Role::Operator => true,
    }
}

/// A role in every workspace.
pub(super) fn everywhere(role: Role) -> RoleBinding {
    RoleBinding { scope: Scope::Everywhere, role }
}

/// Whether a key with these roles may do everything.
pub(super) fn is_full_operator(bindings: &[RoleBinding]) -> bool {
    bindings.contains(&everywhere(Role::Operator))
}
