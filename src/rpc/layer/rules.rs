//! What each RPC needs of its caller, by its request message.

use std::{collections::HashMap, sync::LazyLock};

use self::Rule::{Anyone, Both, Everywhere, In, List};
use crate::{
    access::Permission::{self, Operate, Read, Snapshot, Write},
    pb,
};

/// What an RPC needs of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule<'a> {
    /// A permission in the workspace that a field names.
    In(Permission, &'static str, &'a str),
    /// Several of those.
    Both([(Permission, &'static str, &'a str); 2]),
    /// To read the workspace that a parent names; of all of them (`workspaces/-`)
    /// what the caller may read is listed.
    List(&'a str),
    /// A permission in every workspace.
    Everywhere(Permission),
    /// Nothing but to be let in; what is answered depends on the caller.
    Anyone,
}

impl Rule<'_> {
    /// What is needed somewhere at least, whatever the message names.
    pub fn least(&self) -> Option<Permission> {
        match self {
            Self::In(permission, ..) | Self::Everywhere(permission) | Self::Both([(permission, ..), _]) => {
                Some(*permission)
            }
            Self::List(_) => Some(Permission::Read),
            Self::Anyone => None,
        }
    }
}

/// A request message, which knows its rule.
pub trait Ruled: prost::Message {
    /// What it needs.
    fn rule(&self) -> Rule<'_>;
}

/// A permission without which a method's message need not be looked at; by its path.
pub fn permission_of(path: &str) -> Option<Permission> {
    let (_service, rpc) = path.strip_prefix("/stillframe.v1.")?.split_once('/')?;
    LEAST.get(rpc).copied()
}

macro_rules! rules {
    ($($message:ident: |$m:ident| $rule:expr;)*) => {
        /// By the name of the message without its end, which is the method's.
        static LEAST: LazyLock<HashMap<&str, Permission>> = LazyLock::new(|| {
            let least = [$((stringify!($message), pb::$message::default().rule().least())),*];
            least.into_iter().filter_map(|(message, least)| Some((message.strip_suffix("Request")?, least?))).collect()
        });
        $(
        impl Ruled for pb::$message {
            fn rule(&self) -> Rule<'_> {
                let $m = self;
                $rule
            }
        }
    )*};
}

rules! {
    // Keys: what a caller may do to which is the keys' own matter.
    CreateApiKeyRequest: |_m| Anyone;
    GetApiKeyRequest: |_m| Anyone;
    ListApiKeysRequest: |_m| Anyone;
    RevokeApiKeyRequest: |_m| Anyone;
    GetCallerRequest: |_m| Anyone;

    GetServerInfoRequest: |_m| Anyone;

    CreateWorkspaceRequest: |_m| Everywhere(Operate);
    GetWorkspaceRequest: |m| In(Read, "name", &m.name);
    ListWorkspacesRequest: |_m| Anyone;
    UpdateWorkspaceRequest: |m| In(Operate, "workspace.name", m.workspace.as_ref().map_or("", |w| &w.name));
    DeleteWorkspaceRequest: |m| In(Operate, "name", &m.name);

    CreateCollectionRequest: |m| In(Write, "parent", &m.parent);
    GetCollectionRequest: |m| In(Read, "name", &m.name);
    ListCollectionsRequest: |m| List(&m.parent);
    UpdateCollectionRequest: |m| In(Write, "collection.name", m.collection.as_ref().map_or("", |c| &c.name));
    DeleteCollectionRequest: |m| In(Write, "name", &m.name);

    WriteDocumentsRequest: |m| In(Write, "collection", &m.collection);
    IngestDocumentsRequest: |m| In(Write, "collection", &m.collection);
    GetDocumentRequest: |m| In(Read, "collection", &m.collection);
    BatchGetDocumentsRequest: |m| In(Read, "collection", &m.collection);
    ListDocumentsRequest: |m| In(Read, "collection", &m.collection);
    StreamDocumentsRequest: |m| In(Read, "collection", &m.collection);

    CreateSnapshotRequest: |m| In(Snapshot, "parent", &m.parent);
    GetSnapshotRequest: |m| In(Read, "name", &m.name);
    ListSnapshotsRequest: |m| List(&m.parent);
    UpdateSnapshotRequest: |m| In(Snapshot, "snapshot.name", m.snapshot.as_ref().map_or("", |s| &s.name));
    DeleteSnapshotRequest: |m| In(Snapshot, "name", &m.name);
    WatchSnapshotRequest: |m| In(Read, "name", &m.name);

    // To restore here, and to read there.
    CreateRestoreRequest: |m| Both([
        (Snapshot, "parent", &m.parent),
        (Read, "restore.snapshot", m.restore.as_ref().map_or("", |r| &r.snapshot)),
    ]);
    GetRestoreRequest: |m| In(Read, "name", &m.name);
    ListRestoresRequest: |m| List(&m.parent);
    CancelRestoreRequest: |m| In(Snapshot, "name", &m.name);
    WatchRestoreRequest: |m| In(Read, "name", &m.name);

    CreateSourceRequest: |m| In(Write, "parent", &m.parent);
    GetSourceRequest: |m| In(Read, "name", &m.name);
    ListSourcesRequest: |m| List(&m.parent);
    DeleteSourceRequest: |m| In(Write, "name", &m.name);
    SuspendSourceRequest: |m| In(Write, "name", &m.name);
    ResumeSourceRequest: |m| In(Write, "name", &m.name);
    WatchSourceRequest: |m| In(Read, "name", &m.name);
}
