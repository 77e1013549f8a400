//! The domain's error: one variant per reason that a client can act on, with
//! its data. Only `rpc` knows what it looks like on the wire.

mod whose;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use self::whose::Whose;
use crate::{
    clock::{Expiration, Micros, duration, rfc3339, words},
    stored,
};

/// The longest text of an error in a record, which has bounds: a location and a name, with
/// what is wrong with them.
pub const MAX_FAILURE_BYTES: usize = 8 << 10;

/// Whom a caller may ask, as the operator configured it: a URL, `mailto:` say.
pub type Contact = Option<Arc<str>>;

/// Where storage failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", .path.display())]
struct At {
    path: PathBuf,
    source: Cause,
}

/// A cause for the log; it never reaches a client.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, as in `collection.labels`.
    pub field: String,
    /// What is wrong, in words that help to correct it.
    pub why: String,
}

impl Violation {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.field.len() + self.why.len()
    }
}

/// What a person reads, and more than an answer has room for. A request can have
/// millions of violations.
const MOST_VIOLATIONS: usize = 100;

/// Collects what is wrong with a request, so that one answer tells it all.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    /// The first of them.
    pub listed: Vec<Violation>,
    /// How many others there are.
    pub others: usize,
}

impl Violations {
    /// Notes that `field` is wrong.
    pub fn add(&mut self, field: impl Into<String>, why: impl fmt::Display) {
        if self.listed.len() < MOST_VIOLATIONS {
            self.listed.push(Violation { field: field.into(), why: why.to_string() });
        } else {
            self.others += 1;
        }
    }

    /// The value, or a note that `field` is wrong.
    pub fn check<T, E: fmt::Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|why| self.add(field, why)).ok()
    }

    /// An error if anything was noted.
    pub fn finish(self) -> Result<(), Error> {
        if self.listed.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

/// A kind of resource, for the reasons that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A workspace.
    Workspace,
    /// A collection.
    Collection,
    /// A snapshot.
    Snapshot,
    /// A restore.
    Restore,
    /// A source.
    Source,
    /// An API key.
    ApiKey,
}

impl Kind {
    /// Several of it.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Workspace => "workspaces",
            Self::Collection => "collections",
            Self::Snapshot => "snapshots",
            Self::Restore => "restores",
            Self::Source => "sources",
            Self::ApiKey => "API keys",
        }
    }
}

/// What is wrong with the key that a caller sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// There is none.
    Missing,
    /// It is none of ours.
    Invalid,
    /// Its time is over.
    Expired,
    /// An operator has ended it.
    Revoked,
}

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum Error {
    #[error("{}", .0.listed.first().map_or_else(|| "the request is invalid".to_owned(), |v| format!("{}: {}", v.field, v.why)))]
    Invalid(Violations),
    #[error("{0} does not exist")]
    NotFound(String),
    #[error("{collection} has no document {id:?}")]
    DocumentNotFound { collection: String, id: String },
    #[error("{name} already exists")]
    Exists { kind: Kind, name: String },
    #[error("request_id was used for a request with other arguments")]
    RequestIdReused,
    #[error("the token was not made by this server for these arguments")]
    PageTokenMismatch,
    #[error("the retention of a collection cannot be changed, not by a restore either: its data is clustered by it")]
    RetentionImmutable,
    #[error(
        "the event time {} is outside what the retention of the collection takes now: from {} to {}",
        rfc3339(*.event_time), rfc3339(*.earliest), rfc3339(*.latest)
    )]
    EventTimeOutOfRange { event_time: Micros, earliest: Micros, latest: Micros },
    #[error(
        "a snapshot lives at most 7 days after its create_time, until {}; {} was asked for",
        rfc3339(*.latest), match .asked {
            Expiration::At(time) => rfc3339(*time),
            Expiration::After(span) => format!("{} from now", words(duration(*span))),
        }
    )]
    ExpirationTooLong { asked: Expiration, latest: Micros },
    #[error("{collection} is at offset {offset}; {min_offset} has not been acknowledged")]
    OffsetNotReached { collection: String, offset: i64, min_offset: i64 },
    #[error("{name} is {state}")]
    SnapshotNotReady { name: String, state: &'static str },
    #[error("{name} has expired; its data is gone")]
    SnapshotExpired { name: String },
    #[error("{0} is being restored")]
    CollectionNotReady(String),
    #[error("{name} is another collection now: its uid is {uid}")]
    CollectionChanged { name: String, uid: String },
    #[error("{0} was deleted")]
    CollectionDeleted(String),
    #[error("the document has {size} bytes; at most {limit} are allowed")]
    DocumentTooLarge { size: usize, limit: usize },
    #[error("the batch has {size} {unit}; at most {limit} are allowed")]
    BatchTooLarge { size: usize, limit: usize, unit: &'static str },
    #[error("{name} has changed: its etag is {current:?}")]
    EtagMismatch { name: String, current: String },
    #[error("{0}")]
    PatchFailed(String),
    #[error(
        "snapshots are a preview that is not enabled in {workspace}; an operator enables it: UpdateWorkspace with snapshot_preview SNAPSHOT_PREVIEW_ENABLED"
    )]
    SnapshotsNotEnabled { workspace: String, contact: Contact },
    #[error(
        "{snapshot} has {size_bytes} bytes; restores into {workspace} of more than {limit} need an operator's approval: UpdateWorkspace with a higher max_restore_bytes"
    )]
    RestoreTooLarge { snapshot: String, workspace: String, size_bytes: i64, limit: i64, contact: Contact },
    #[error("{workspace} allows {limit} snapshots a minute")]
    RateLimited { workspace: String, limit: i32, retry_after: Duration },
    #[error("others have changed what this depends on {attempts} times; try again")]
    Contended { attempts: usize },
    #[error(
        "{workspace} stores {stored} bytes and may store {limit}; deletes make room, or an operator raises max_stored_bytes"
    )]
    QuotaExceeded { workspace: String, stored: i64, limit: i64, contact: Contact },
    #[error("{what}: at most {limit} at a time{}", .whose.among())]
    Busy { what: &'static str, limit: usize, whose: Whose, retry_after: Duration },
    #[error("{0} still has collections, snapshots or running restores")]
    WorkspaceNotEmpty(String),
    #[error("{0} cannot be deleted")]
    WorkspaceProtected(String),
    #[error("{name} is {state}")]
    RestoreNotCancellable { name: String, state: &'static str },
    #[error("a source may only read what an operator allows (--source-allow): {location} {why}")]
    SourceLocationNotAllowed { location: String, why: String, contact: Contact },
    #[error("{collection} does not know how far a source of {location} was")]
    SourcePositionNotFound { collection: String, location: String },
    #[error("{parent} has {limit} {} already", .kind.plural())]
    TooMany { kind: Kind, parent: String, limit: usize },
    #[error("{}", match .fault {
        KeyFault::Missing => {
            "this server needs an API key: send it as the metadata `authorization: Bearer sf_...`; an operator creates keys"
        }
        KeyFault::Invalid => "the API key is not one of this server's; an operator creates keys",
        KeyFault::Expired => "the API key has expired; an operator creates another",
        KeyFault::Revoked => "the API key was revoked; an operator creates another",
    })]
    Unauthenticated { fault: KeyFault, contact: Contact },
    #[error(
        "{caller} may not do this in {resource}: it needs the permission {permission}, which the role {role} has; an operator creates keys with it"
    )]
    PermissionDenied {
        caller: String,
        permission: &'static str,
        role: &'static str,
        resource: String,
        contact: Contact,
    },
    #[error("{0} is the last key that is an operator of everything; make another one first")]
    LastOperatorKey(String),
    #[error("more than {limit} records are bad; resume it to go on behind them")]
    TooManyBadRecords { limit: i64 },
    #[error("the location has more than {limit} {what}; divide it among several sources")]
    TooManyObjects { what: &'static str, limit: usize },
    #[error(
        "{} cannot be read: {why}", object.as_ref().map_or_else(|| "the location".to_owned(), |object| format!("{object:?}"))
    )]
    SourceUnreadable {
        object: Option<String>,
        why: String,
        #[source]
        cause: Option<Cause>,
    },
    #[error(
        "the file system refused a hard link ({0}), and the server may not copy bytes instead: start it with --restore-copy auto"
    )]
    HardLinkRefused(String),
    #[error("nothing was read from the stream for {}; resume it with its last token", words(*.0))]
    StreamTooSlow(Duration),
    #[error("the storage is nearly full: at least {needed} bytes must be free; what is deleted makes room")]
    StorageFull { free: u64, needed: u64 },
    #[error("storage is unavailable")]
    Unavailable(#[source] Cause),
    #[error("the write may or may not have happened; read before you repeat it")]
    OutcomeUnknown(#[source] Cause),
    #[error("stored data is damaged: {0}")]
    DataLoss(String),
    #[error("the server is stopping")]
    ShuttingDown,
    #[error("internal error")]
    Internal(#[source] Cause),
}

/// The canonical code of an error, numbered as gRPC does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names of gRPC's own codes")]
pub enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Error {
    /// About how many bytes it holds beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Invalid(violations) => violations.listed.iter().map(Violation::bytes).sum(),
            other => other.to_string().len(),
        }
    }

    /// The code and the reason that clients branch on.
    #[must_use]
    pub const fn reason(&self) -> (Code, &'static str) {
        match self {
            Self::Invalid(_) => (Code::InvalidArgument, "INVALID_FIELD"),
            Self::NotFound(_) => (Code::NotFound, "NOT_FOUND"),
            Self::DocumentNotFound { .. } => (Code::NotFound, "DOCUMENT_NOT_FOUND"),
            Self::Exists { kind, .. } => (
                Code::AlreadyExists,
                match kind {
                    Kind::Workspace => "WORKSPACE_EXISTS",
                    Kind::Collection => "COLLECTION_EXISTS",
                    Kind::Snapshot => "SNAPSHOT_EXISTS",
                    Kind::Restore => "RESTORE_EXISTS",
                    Kind::Source => "SOURCE_EXISTS",
                    Kind::ApiKey => "API_KEY_EXISTS",
                },
            ),
            Self::RequestIdReused => (Code::FailedPrecondition, "REQUEST_ID_REUSED"),
            Self::PageTokenMismatch => (Code::InvalidArgument, "PAGE_TOKEN_MISMATCH"),
            Self::RetentionImmutable => (Code::InvalidArgument, "RETENTION_IMMUTABLE"),
            Self::EventTimeOutOfRange { .. } => (Code::OutOfRange, "EVENT_TIME_OUT_OF_RANGE"),
            Self::ExpirationTooLong { .. } => (Code::InvalidArgument, "EXPIRATION_TOO_LONG"),
            Self::OffsetNotReached { .. } => (Code::FailedPrecondition, "OFFSET_NOT_REACHED"),
            Self::SnapshotNotReady { .. } => (Code::FailedPrecondition, "SNAPSHOT_NOT_READY"),
            Self::SnapshotExpired { .. } => (Code::FailedPrecondition, "SNAPSHOT_EXPIRED"),
            Self::CollectionNotReady(_) => (Code::FailedPrecondition, "COLLECTION_NOT_READY"),
            Self::CollectionChanged { .. } => (Code::FailedPrecondition, "COLLECTION_CHANGED"),
            Self::CollectionDeleted(_) => (Code::Aborted, "COLLECTION_DELETED"),
            Self::DocumentTooLarge { .. } => (Code::InvalidArgument, "DOCUMENT_TOO_LARGE"),
            Self::BatchTooLarge { .. } => (Code::InvalidArgument, "BATCH_TOO_LARGE"),
            Self::EtagMismatch { .. } => (Code::Aborted, "ETAG_MISMATCH"),
            Self::PatchFailed(_) => (Code::FailedPrecondition, "PATCH_FAILED"),
            Self::SnapshotsNotEnabled { .. } => (Code::FailedPrecondition, "SNAPSHOTS_NOT_ENABLED"),
            Self::RestoreTooLarge { .. } => (Code::FailedPrecondition, "RESTORE_TOO_LARGE"),
            Self::RateLimited { .. } => (Code::ResourceExhausted, "RATE_LIMITED"),
            Self::Contended { .. } => (Code::Aborted, "CHANGE_CONTENDED"),
            Self::QuotaExceeded { .. } => (Code::ResourceExhausted, "QUOTA_EXCEEDED"),
            Self::Busy { .. } => (Code::ResourceExhausted, "RESOURCE_BUSY"),
            Self::WorkspaceNotEmpty(_) => (Code::FailedPrecondition, "WORKSPACE_NOT_EMPTY"),
            Self::WorkspaceProtected(_) => (Code::FailedPrecondition, "WORKSPACE_PROTECTED"),
            Self::RestoreNotCancellable { .. } => (Code::FailedPrecondition, "RESTORE_NOT_CANCELLABLE"),
            Self::SourceLocationNotAllowed { .. } => (Code::PermissionDenied, "SOURCE_LOCATION_NOT_ALLOWED"),
            Self::SourcePositionNotFound { .. } => (Code::FailedPrecondition, "SOURCE_POSITION_NOT_FOUND"),
            Self::TooMany { kind, .. } => (
                Code::ResourceExhausted,
                match kind {
                    Kind::Workspace => "TOO_MANY_WORKSPACES",
                    Kind::Collection => "TOO_MANY_COLLECTIONS",
                    Kind::Snapshot => "TOO_MANY_SNAPSHOTS",
                    Kind::Restore => "TOO_MANY_RESTORES",
                    Kind::Source => "TOO_MANY_SOURCES",
                    Kind::ApiKey => "TOO_MANY_API_KEYS",
                },
            ),
            Self::Unauthenticated { fault, .. } => (
                Code::Unauthenticated,
                match fault {
                    KeyFault::Missing => "API_KEY_MISSING",
                    KeyFault::Invalid => "API_KEY_INVALID",
                    KeyFault::Expired => "API_KEY_EXPIRED",
                    KeyFault::Revoked => "API_KEY_REVOKED",
                },
            ),
            Self::PermissionDenied { .. } => (Code::PermissionDenied, "PERMISSION_DENIED"),
            Self::LastOperatorKey(_) => (Code::FailedPrecondition, "LAST_OPERATOR_KEY"),
            Self::TooManyBadRecords { .. } => (Code::FailedPrecondition, "TOO_MANY_BAD_RECORDS"),
            Self::TooManyObjects { .. } => (Code::FailedPrecondition, "TOO_MANY_OBJECTS"),
            Self::SourceUnreadable { .. } => (Code::FailedPrecondition, "SOURCE_UNREADABLE"),
            Self::HardLinkRefused(_) => (Code::FailedPrecondition, "HARD_LINK_REFUSED"),
            Self::StreamTooSlow(_) => (Code::Aborted, "STREAM_TOO_SLOW"),
            Self::StorageFull { .. } => (Code::ResourceExhausted, "STORAGE_FULL"),
            Self::Unavailable(_) => (Code::Unavailable, "STORAGE_UNAVAILABLE"),
            Self::OutcomeUnknown(_) => (Code::Unknown, "WRITE_OUTCOME_UNKNOWN"),
            Self::DataLoss(_) => (Code::DataLoss, "DATA_LOSS"),
            Self::ShuttingDown => (Code::Unavailable, "SHUTTING_DOWN"),
            Self::Internal(_) => (Code::Internal, "INTERNAL"),
        }
    }

    /// One field is wrong.
    pub fn invalid(field: impl Into<String>, why: impl fmt::Display) -> Self {
        let mut bad = Violations::default();
        bad.add(field, why);
        bad.into()
    }

    /// The location of a source cannot be read.
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self::SourceUnreadable { object: None, why: why.into(), cause: None }
    }

    /// With all that is behind it, for an operator.
    #[must_use]
    pub fn in_full(&self) -> String {
        match causes(self) {
            causes if causes.is_empty() => self.to_string(),
            causes => format!("{self}: {causes}"),
        }
    }

    /// The same, with the file or directory that storage failed at.
    #[must_use]
    pub fn at(self, path: &Path) -> Self {
        match self {
            Self::Unavailable(source) => Self::Unavailable(Arc::new(At { path: path.to_owned(), source })),
            other => other,
        }
    }

    /// A mistake of ours; the text goes to the log.
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(Arc::new(std::io::Error::other(text.into())))
    }

    /// Whether nobody knows if a change was recorded: the service stops before it is
    /// settled, and its effect must not be undone.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self, Self::OutcomeUnknown(_) | Self::ShuttingDown)
    }

    /// Whether it is about the stored data of something whose record is sound: a list
    /// shows that with the error, and goes on.
    #[must_use]
    pub fn is_of_stored_data(&self) -> bool {
        matches!(self, Self::DataLoss(_) | Self::Unavailable(_) | Self::Internal(_) | Self::Busy { .. })
    }

    /// Whether the same work may succeed later without anyone changing it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::OutcomeUnknown(_)
                | Self::ShuttingDown
                | Self::Contended { .. }
                | Self::Busy { .. }
                | Self::StorageFull { .. }
                | Self::QuotaExceeded { .. }
        )
    }
}

/// What is behind an error, for the log: it may name hosts, paths and keys of a store.
#[must_use]
pub fn causes(error: &Error) -> String {
    let first = std::error::Error::source(error);
    let mut all: Vec<String> = Vec::new();
    for cause in std::iter::successors(first, |&cause| cause.source()).map(ToString::to_string) {
        // Some say what is behind them themselves.
        if !all.last().is_some_and(|before| before.ends_with(&cause)) {
            all.push(cause);
        }
    }
    all.join(": ")
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<prost::DecodeError> for Error {
    fn from(error: prost::DecodeError) -> Self {
        Self::DataLoss(error.to_string())
    }
}

impl From<&Error> for stored::Failure {
    fn from(error: &Error) -> Self {
        let (code, reason) = error.reason();
        let mut message = error.to_string();
        message.truncate(message.floor_char_boundary(MAX_FAILURE_BYTES));
        Self { code: code as i32, reason: reason.to_owned(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_violations_a_hundred_are_kept() {
        let mut bad = Violations::default();
        (0..1_000).for_each(|n| bad.add(format!("f[{n}]"), "is wrong"));
        assert_eq!((bad.listed.len(), bad.others), (100, 900));
        assert_eq!(bad.listed[99].field, "f[99]");
        assert_eq!(bad.finish().unwrap_err().to_string(), "f[0]: is wrong");
    }
}
