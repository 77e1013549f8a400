//! What a request that fails says: of the one object, of all of them, or of the moment.

use std::sync::Arc;

use crate::{
    documents::{Answer, object_store::Error as StoreError},
    error::{Cause, Error},
    source::feed::Opened,
};

const ABSENT: &str = "the store lists it and does not have it";

/// Codes that are about who asks, or about the bucket. An answer about the signature is
/// not among them: that of the list was good, and some servers understand a key only so far.
const OF_ALL: [&str; 15] = [
    "AccountProblem",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidToken",
    "NoSuchBucket",
    "NotSignedUp",
    "PermanentRedirect",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "TokenRefreshRequired",
    "UserSuspended",
];

/// What becomes of an object whose request failed.
pub fn judged<T>(object: &str, error: impl std::error::Error + Send + Sync + 'static) -> Result<Opened<T>, Error> {
    let answer = Answer::behind(&error);
    match answer.status() {
        Some(_) if OF_ALL.contains(&answer.code()) => Err(unreadable(error)),
        Some(404) => Ok(Opened::Unlike(ABSENT)),
        None if is_absent(&error) => Ok(Opened::Unlike(ABSENT)),
        Some(501) => Ok(Opened::Refused(answer.to_string())),
        // Too much, too late, or a fault of the server.
        None | Some(..400 | 408 | 429 | 500..) => {
            let (object, why, cause) = (Some(object.to_owned()), answer.to_string(), Some(Arc::new(error) as Cause));
            Err(Error::SourceUnreadable { object, why, cause })
        }
        Some(_) if answer.code() == "InvalidObjectState" => {
            tracing::debug!(object, %error, "an archived object is passed over");
            Ok(Opened::Refused(format!("{answer}: it is archived")))
        }
        Some(_) => {
            tracing::debug!(object, %error, "an object that may not be read is passed over");
            Ok(Opened::Refused(answer.to_string()))
        }
    }
}

/// As stores say it that have no status.
fn is_absent(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::NotFound { .. }))
}

/// A location that cannot be read. The store's own words name hosts and paths: they are
/// for the log.
pub fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let answer = Answer::behind(&error);
    let why = match (answer.status(), answer.code()) {
        (Some(404), "" | "NoSuchBucket") => format!("it does not exist ({answer})"),
        (Some(401 | 403), _) => format!("permission denied ({answer})"),
        _ => answer.to_string(),
    };
    Error::SourceUnreadable { object: None, why, cause: Some(Arc::new(error)) }
}
