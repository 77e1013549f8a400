//! API keys, and the roles that they give.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    clock::Micros,
    damage::{self, Damage},
    names::{ApiKeyName, Id},
    records::{Entries, Indexed, Key, Record, Term},
    stored,
};

/// In place of a workspace's id, which it can never be: all of them.
const EVERYWHERE: &str = "-";

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its resource name.
    pub name: ApiKeyName,
    /// Its uid.
    pub uid: Uuid,
    /// Free text.
    pub description: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it allows.
    pub bindings: Vec<RoleBinding>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub create_time: Micros,
    /// When it ends by itself; absent: never.
    pub expire_time: Option<Micros>,
    /// When an operator ended it.
    pub revoke_time: Option<Micros>,
    /// Counts its changes.
    pub revision: u64,
    /// Of the whole secret.
    pub secret_sha256: [u8; 32],
}

/// A role, and where it is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleBinding {
    /// Where.
    pub scope: Scope,
    /// The role.
    pub role: Role,
}

/// Where a role is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In every workspace.
    Everywhere,
    /// In one.
    Workspace {
        /// Its id.
        id: Id,
        /// Its uid, which counts.
        uid: Uuid,
    },
}

/// What its bearer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read.
    Reader,
    /// Read, and write documents.
    Writer,
    /// Read, and take and restore snapshots.
    SnapshotAdmin,
    /// Everything.
    Operator,
}

stored_as!(Role, "role": Reader, Writer, SnapshotAdmin, Operator);

impl Scope {
    /// The id of the workspace, if it is one.
    #[must_use]
    pub fn workspace(&self) -> Option<&Id> {
        match self {
            Self::Everywhere => None,
            Self::Workspace { id, .. } => Some(id),
        }
    }
}

impl RoleBinding {
    fn read(stored: &stored::RoleBinding) -> Result<Self, Damage> {
        let stored::RoleBinding { workspace, workspace_uid, role } = stored;
        let scope = if workspace == EVERYWHERE {
            match workspace_uid.as_slice() {
                [] => Scope::Everywhere,
                _ => return Err(Damage("workspace_uid")),
            }
        } else {
            Scope::Workspace {
                id: damage::parsed("workspace", workspace)?,
                uid: damage::uid("workspace_uid", workspace_uid)?,
            }
        };
        Ok(Self { scope, role: Role::read(*role)? })
    }

    fn message(self) -> stored::RoleBinding {
        let role = self.role.stored().into();
        match self.scope {
            Scope::Everywhere => {
                stored::RoleBinding { workspace: EVERYWHERE.to_owned(), workspace_uid: Vec::new(), role }
            }
            Scope::Workspace { id, uid } => {
                stored::RoleBinding { workspace: id.to_string(), workspace_uid: uid.into(), role }
            }
        }
    }
}

impl ApiKey {
    /// The key of this id.
    #[must_use]
    pub fn at(id: &Id) -> Key<Self> {
        Key::of(id)
    }

    /// All keys.
    #[must_use]
    pub fn every() -> Term<Self> {
        Term::all("API keys")
    }

    /// Those with a role in a workspace.
    #[must_use]
    pub fn in_workspace(workspace: &Id) -> Term<Self> {
        Term::text("API keys of a workspace", workspace.as_str())
    }
}

impl Record for ApiKey {
    type Message = stored::ApiKey;
    const PREFIX: &'static str = "k/";

    fn key(&self) -> Key<Self> {
        Self::at(&self.name.0)
    }

    fn read(message: stored::ApiKey) -> Result<Self, Damage> {
        let set = |time: Micros| Some(time).filter(|time| *time != 0);
        Ok(Self {
            name: ApiKeyName(damage::parsed("id", &message.id)?),
            uid: damage::uid("uid", &message.uid)?,
            description: message.description,
            labels: message.labels,
            bindings: message.bindings.iter().map(RoleBinding::read).collect::<Result<_, _>>()?,
            created_by: message.created_by,
            create_time: message.create_time,
            expire_time: set(message.expire_time),
            revoke_time: set(message.revoke_time),
            revision: message.revision,
            secret_sha256: damage::array("secret_sha256", &message.secret_sha256)?,
        })
    }

    fn message(&self) -> stored::ApiKey {
        let record = self.clone();
        stored::ApiKey {
            id: record.name.0.to_string(),
            uid: record.uid.into(),
            description: record.description,
            labels: record.labels,
            bindings: record.bindings.into_iter().map(RoleBinding::message).collect(),
            created_by: record.created_by,
            create_time: record.create_time,
            expire_time: record.expire_time.unwrap_or(0),
            revoke_time: record.revoke_time.unwrap_or(0),
            revision: record.revision,
            secret_sha256: record.secret_sha256.into(),
        }
    }
}

impl Indexed for ApiKey {
    fn entries(&self) -> Entries {
        let id = self.name.0.as_str();
        let mut entries = Entries::default();
        entries.add(Self::every(), id);
        let workspaces: BTreeSet<&Id> = self.bindings.iter().filter_map(|binding| binding.scope.workspace()).collect();
        for workspace in workspaces {
            entries.add(Self::in_workspace(workspace), id);
        }
        entries
    }
}
