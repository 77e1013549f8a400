//! The keys of records and of cached values: a letter for the kind, then the ids, each
//! behind a `/`, which no id contains.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    AccessPolicy, ApiKey, ApiKeyUse, BootstrapSecret, Cached, ClockSeen, Collection, Expected, Instance, Intent, Key,
    Record, RequestId, Restore, Retired, RetiredSource, Snapshot, Source, SourcePosition, Workspace, uid,
};

/// What records of a key's kind are called.
pub(super) fn kind_of(key: &[u8]) -> &'static str {
    kind_and_message_of(key).0
}

/// The same, and the name of their message; none for an unknown kind.
pub(super) fn kind_and_message_of(key: &[u8]) -> (&'static str, Option<&'static str>) {
    let (kind, message) = match key.split(|byte| *byte == b'/').next() {
        Some(b"access") => ("access policy", "AccessPolicy"),
        Some(b"h") => ("bootstrap secret", "BootstrapSecret"),
        Some(b"k") => ("API key", "ApiKey"),
        Some(b"w") => ("workspace", "Workspace"),
        Some(b"c") => ("collection", "Collection"),
        Some(b"e") => ("expected state", "Expected"),
        Some(b"x") => ("retired collection", "Retired"),
        Some(b"i") => ("intent", "Intent"),
        Some(b"s") => ("snapshot", "Snapshot"),
        Some(b"r") => ("restore", "Restore"),
        Some(b"q") => ("request id", "RequestId"),
        Some(b"o") => ("source", "Source"),
        Some(b"p") => ("source position", "SourcePosition"),
        Some(b"y") => ("retired source", "RetiredSource"),
        _ => return ("unknown", None),
    };
    (kind, Some(message))
}

/// Whether a record of version 0.1.0 belongs in the log: the others were caches, or
/// said whose the records are, which every entry does.
pub(super) fn is_logged(key: &[u8]) -> bool {
    !(key.starts_with(b"instance/") || key.starts_with(b"t/") || key.starts_with(b"u/"))
}

macro_rules! keyed {
    ($record:ty, $letter:literal, |$r:ident| $rest:expr) => {
        keyed!(Record, $record, $letter, |$r| $rest);
    };
    ($trait:ident, $record:ty, $letter:literal, |$r:ident| $rest:expr) => {
        impl $trait for $record {
            const PREFIX: &'static str = concat!($letter, "/");

            fn key(&self) -> Key<Self> {
                let $r = self;
                Key::new(format!(concat!($letter, "/{}"), $rest))
            }
        }

        impl $record {
            /// The prefix of all records of this kind.
            #[must_use]
            pub fn all() -> Key<Self> {
                Key::new(Self::PREFIX.to_owned())
            }
        }
    };
}

keyed!(AccessPolicy, "access", |_r| "");
// Of the hash, which is nobody's business, only a hash.
keyed!(BootstrapSecret, "h", |r| format_args!("{:032x}", xxh3_128(&r.secret_sha256)));
keyed!(ApiKey, "k", |r| r.id);
keyed!(Cached, ApiKeyUse, "u", |r| uid(&r.uid).simple());
keyed!(Workspace, "w", |r| r.id);
keyed!(Collection, "c", |r| format_args!("{}/{}", r.workspace, r.id));
keyed!(Cached, ClockSeen, "b", |_r| "");
keyed!(Expected, "e", |r| uid(&r.uid).simple());
keyed!(Retired, "x", |r| uid(&r.uid).simple());
keyed!(Intent, "i", |r| uid(&r.uid).simple());
// A snapshot's id may be used again while the tombstone of its first bearer
// is still readable, hence the uid, which also orders them by time.
keyed!(Snapshot, "s", |r| format_args!("{}/{}/{}", r.workspace, r.id, uid(&r.uid).simple()));
keyed!(Restore, "r", |r| format_args!("{}/{}", r.workspace, r.id));
keyed!(RequestId, "q", |r| format_args!("{}/{}/{}", r.method, r.caller, r.request_id));

// Below the collection's uid: those of a deleted one are out of sight at once.
keyed!(Source, "o", |r| format_args!("{}/{}", uid(&r.collection_uid).simple(), r.id));
// In the order of the sources' uids: the oldest first.
keyed!(SourcePosition, "p", |r| format_args!("{}/{}", uid(&r.collection_uid).simple(), uid(&r.source_uid).simple()));
keyed!(RetiredSource, "y", |r| uid(&r.uid).simple());

impl Instance {
    /// Where version 0.1.0 said whose its records are.
    pub(super) fn all() -> Key<Self> {
        Key::new("instance/".to_owned())
    }
}

impl ApiKey {
    /// The key of this id.
    #[must_use]
    pub fn at(id: &str) -> Key<Self> {
        Key::new(format!("k/{id}"))
    }
}

impl ApiKeyUse {
    /// When the key of this uid was last used.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::new(format!("u/{}", uid.simple()))
    }
}

impl Workspace {
    /// The workspace of this id.
    #[must_use]
    pub fn at(id: &str) -> Key<Self> {
        Key::new(format!("w/{id}"))
    }
}

impl Collection {
    /// The collection of this name.
    #[must_use]
    pub fn at(workspace: &str, id: &str) -> Key<Self> {
        Key::new(format!("c/{workspace}/{id}"))
    }
}

impl Expected {
    /// What is expected of the collection of this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::new(format!("e/{}", uid.simple()))
    }
}

impl Retired {
    /// The deleted collection of this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::new(format!("x/{}", uid.simple()))
    }
}

impl Intent {
    /// The intent for this uid.
    #[must_use]
    pub fn at(uid: Uuid) -> Key<Self> {
        Key::new(format!("i/{}", uid.simple()))
    }
}

impl Snapshot {
    /// All bearers of a name, oldest first.
    #[must_use]
    pub fn named(workspace: &str, id: &str) -> Key<Self> {
        Key::new(format!("s/{workspace}/{id}/"))
    }

    /// The bearer of a name that has this uid.
    #[must_use]
    pub fn at(workspace: &str, id: &str, uid: Uuid) -> Key<Self> {
        Key::new(format!("s/{workspace}/{id}/{}", uid.simple()))
    }
}

impl Restore {
    /// The restore of this name.
    #[must_use]
    pub fn at(workspace: &str, id: &str) -> Key<Self> {
        Key::new(format!("r/{workspace}/{id}"))
    }
}

impl Source {
    /// The source of this id in a collection.
    #[must_use]
    pub fn at(collection: Uuid, id: &str) -> Key<Self> {
        Key::new(format!("o/{}/{id}", collection.simple()))
    }
}

impl SourcePosition {
    /// Those that a restored collection knows.
    #[must_use]
    pub fn within(collection: Uuid) -> Key<Self> {
        Key::new(format!("p/{}/", collection.simple()))
    }
}

impl RequestId {
    /// The answer to a request id.
    #[must_use]
    pub fn at(method: &str, caller: &str, request_id: &str) -> Key<Self> {
        Key::new(format!("q/{method}/{caller}/{request_id}"))
    }
}
