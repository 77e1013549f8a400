//! What errors look like on the wire: a canonical code, a sentence, and one
//! `google.rpc.ErrorInfo` whose reason clients branch on.

mod transport;

use std::{collections::HashMap, time::Duration};

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, HelpLink, PreconditionViolation, QuotaViolation, StatusExt};

pub use self::transport::{of_answer, of_protocol, of_transport};
use crate::{
    clock,
    error::{Contact, Error},
    records::Failure,
};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "stillframe";

/// Room on a disk does not come in an instant.
const ROOM: Duration = Duration::from_secs(10);

/// An error travels in headers, and some clients refuse an answer whose headers
/// have more than 8 KiB in all: they would see an error of their own instead. So
/// each part has a bound; what is echoed of a request may be as long as that.
pub const LONGEST_MESSAGE: usize = 512;
const LONGEST_VALUE: usize = 1024;
/// All violations together; a few tell how to correct the others.
const VIOLATIONS_BYTES: usize = 2048;

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, reason) = error.reason();
        let code = Code::from_i32(code as i32);
        // In full it has the causes, the client's text has not. A stop is no fault.
        match code {
            Code::Internal | Code::DataLoss | Code::Unknown => {
                tracing::error!(error = error.in_full(), reason, "request failed");
            }
            Code::Unavailable if !matches!(error, Error::ShuttingDown) => {
                tracing::warn!(error = error.in_full(), reason, "request failed");
            }
            _ => {}
        }
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, info(&error));
        describe(&error, &mut details);
        Self::with_error_details(code, text(&error), details)
    }
}

/// What the reason is about, for programs.
fn info(error: &Error) -> HashMap<String, String> {
    let pairs: Vec<(&str, String)> = match error {
        Error::NotFound(name) | Error::Exists { name, .. } | Error::SnapshotExpired { name } => {
            vec![("resource", name.clone())]
        }
        Error::CollectionNotReady(name)
        | Error::CollectionDeleted(name)
        | Error::WorkspaceNotEmpty(name)
        | Error::WorkspaceProtected(name)
        | Error::LastOperatorKey(name) => vec![("resource", name.clone())],
        Error::DocumentNotFound { collection, id } => vec![("resource", collection.clone()), ("id", id.clone())],
        Error::SnapshotNotReady { name, state } | Error::RestoreNotCancellable { name, state } => {
            vec![("resource", name.clone()), ("state", (*state).to_owned())]
        }
        Error::CollectionChanged { name, uid } => vec![("resource", name.clone()), ("uid", uid.clone())],
        Error::EtagMismatch { name, current } => vec![("resource", name.clone()), ("etag", current.clone())],
        Error::OffsetNotReached { collection, offset, min_offset } => vec![
            ("resource", collection.clone()),
            ("offset", offset.to_string()),
            ("min_offset", min_offset.to_string()),
        ],
        Error::DocumentTooLarge { size, limit } => vec![("size", size.to_string()), ("limit", limit.to_string())],
        Error::BatchTooLarge { size, limit, unit } => {
            vec![("size", size.to_string()), ("limit", limit.to_string()), ("unit", (*unit).to_owned())]
        }
        Error::SnapshotsNotEnabled { workspace, .. } => vec![("resource", workspace.clone())],
        Error::RestoreTooLarge { workspace, size_bytes, limit, .. } => vec![
            ("resource", workspace.clone()),
            ("size_bytes", size_bytes.to_string()),
            ("max_restore_bytes", limit.to_string()),
        ],
        Error::RateLimited { workspace, limit, .. } => {
            vec![("resource", workspace.clone()), ("limit", limit.to_string())]
        }
        Error::SourceLocationNotAllowed { location, .. } => vec![("location", location.clone())],
        Error::SourcePositionNotFound { collection, location } => {
            vec![("resource", collection.clone()), ("location", location.clone())]
        }
        Error::TooMany { parent, limit, .. } => vec![("resource", parent.clone()), ("limit", limit.to_string())],
        Error::PermissionDenied { caller, permission, role, resource, .. } => vec![
            ("resource", resource.clone()),
            ("caller", caller.clone()),
            ("permission", (*permission).to_owned()),
            ("role", (*role).to_owned()),
        ],
        Error::Contended { attempts } => vec![("attempts", attempts.to_string())],
        Error::TooManyBadRecords { limit } => vec![("limit", limit.to_string())],
        Error::QuotaExceeded { workspace, stored, limit, .. } => vec![
            ("resource", workspace.clone()),
            ("stored_bytes", stored.to_string()),
            ("max_stored_bytes", limit.to_string()),
        ],
        Error::TooManyObjects { limit, .. } => vec![("limit", limit.to_string())],
        Error::Busy { limit, whose, .. } => {
            vec![("limit", limit.to_string()), ("scope", whose.word().to_owned())]
        }
        Error::EventTimeOutOfRange { event_time, earliest, latest } => vec![
            ("event_time", clock::rfc3339(*event_time)),
            ("earliest", clock::rfc3339(*earliest)),
            ("latest", clock::rfc3339(*latest)),
        ],
        Error::ExpirationTooLong { latest, .. } => vec![("latest", clock::rfc3339(*latest))],
        Error::StorageFull { free, needed } => {
            vec![("free_bytes", free.to_string()), ("required_bytes", needed.to_string())]
        }
        Error::Invalid(_)
        | Error::RequestIdReused
        | Error::PageTokenMismatch
        | Error::RetentionImmutable
        | Error::PatchFailed(_)
        | Error::SourceUnreadable { .. }
        | Error::HardLinkRefused(_)
        | Error::Unauthenticated { .. }
        | Error::StreamTooSlow(_)
        | Error::Unavailable(_)
        | Error::OutcomeUnknown(_)
        | Error::DataLoss(_)
        | Error::ShuttingDown
        | Error::Internal(_) => Vec::new(),
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), cut(value, LONGEST_VALUE))).collect()
}

/// What people read.
fn text(error: &Error) -> String {
    cut(error.to_string(), LONGEST_MESSAGE)
}

/// The beginning of a text that is too long.
pub fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest - '…'.len_utf8()));
        text.push('…');
    }
    text
}

/// The standard details that help to act on the error.
fn describe(error: &Error, details: &mut ErrorDetails) {
    match error {
        Error::Invalid(violations) => {
            let (mut room, mut more) = (VIOLATIONS_BYTES, violations.others);
            for (index, violation) in violations.listed.iter().enumerate() {
                let (field, why) =
                    (cut(violation.field.clone(), LONGEST_MESSAGE), cut(violation.why.clone(), LONGEST_MESSAGE));
                let Some(left) = room.checked_sub(field.len() + why.len()) else {
                    more += violations.listed.len() - index;
                    break;
                };
                room = left;
                details.add_bad_request_violation(field, why);
            }
            if more > 0 {
                details.add_bad_request_violation("", format!("{more} more are not listed"));
            }
        }
        Error::RateLimited { workspace, retry_after, .. } => {
            let violation = QuotaViolation::new(workspace, text(error));
            details.set_quota_failure(vec![violation]).set_retry_info(Some(*retry_after));
        }
        Error::Busy { what, retry_after, .. } => {
            let violation = QuotaViolation::new(*what, text(error));
            details.set_quota_failure(vec![violation]).set_retry_info(Some(*retry_after));
        }
        Error::QuotaExceeded { workspace, contact, .. } => {
            details.set_quota_failure(vec![QuotaViolation::new(workspace, text(error))]);
            help(details, contact);
        }
        Error::StorageFull { .. } => {
            let violation = QuotaViolation::new("storage", text(error));
            details.set_quota_failure(vec![violation]).set_retry_info(Some(ROOM));
        }
        Error::SnapshotsNotEnabled { workspace, contact } => {
            precondition(details, "SNAPSHOT_PREVIEW", workspace, error);
            help(details, contact);
        }
        Error::RestoreTooLarge { workspace, contact, .. } => {
            precondition(details, "MAX_RESTORE_BYTES", workspace, error);
            help(details, contact);
        }
        Error::SourcePositionNotFound { collection, .. } => {
            precondition(details, "SOURCE_POSITION", collection, error);
        }
        Error::TooMany { parent, .. } => {
            details.set_quota_failure(vec![QuotaViolation::new(parent, text(error))]);
        }
        Error::Unauthenticated { contact, .. }
        | Error::PermissionDenied { contact, .. }
        | Error::SourceLocationNotAllowed { contact, .. } => help(details, contact),
        Error::LastOperatorKey(name) => precondition(details, "OPERATOR_KEYS", name, error),
        Error::SnapshotNotReady { name, .. } | Error::SnapshotExpired { name } => {
            precondition(details, "SNAPSHOT_STATE", name, error);
        }
        Error::EventTimeOutOfRange { earliest, latest, .. } => {
            let (earliest, latest) = (clock::rfc3339(*earliest), clock::rfc3339(*latest));
            details.add_bad_request_violation("upsert.event_time", format!("must be from {earliest} to {latest}"));
        }
        Error::CollectionNotReady(name) => precondition(details, "COLLECTION_STATE", name, error),
        Error::OffsetNotReached { collection, .. } => {
            precondition(details, "OFFSET", collection, error);
            details.set_retry_info(Some(Duration::from_millis(100)));
        }
        Error::Unavailable(_) | Error::ShuttingDown | Error::Contended { .. } => {
            details.set_retry_info(Some(Duration::from_secs(1)));
        }
        _ => {}
    }
}

fn precondition(details: &mut ErrorDetails, kind: &str, subject: &str, error: &Error) {
    details.set_precondition_failure(vec![PreconditionViolation::new(kind, subject, text(error))]);
}

/// Whom to ask, if the operator said so: the text says what for. A link that opens nowhere
/// helps nobody.
fn help(details: &mut ErrorDetails, contact: &Contact) {
    if let Some(contact) = contact {
        details.set_help(vec![HelpLink::new("Ask the operator of this server", &**contact)]);
    }
}

/// The error inside a message, as `google.rpc.Status`.
pub fn embedded(error: Error) -> tonic_types::pb::Status {
    let status = Status::from(error);
    let fallback = || tonic_types::pb::Status {
        code: status.code().into(),
        message: status.message().to_owned(),
        details: Vec::new(),
    };
    tonic_types::pb::Status::decode(status.details()).unwrap_or_else(|_| fallback())
}

/// A stored failure, as `google.rpc.Status`.
pub fn failure(failure: &Failure) -> tonic_types::pb::Status {
    let details = ErrorDetails::with_error_info(&failure.reason, DOMAIN, HashMap::new());
    let status = Status::with_error_details(Code::from_i32(failure.code), &failure.message, details);
    tonic_types::pb::Status::decode(status.details()).unwrap_or_default()
}
