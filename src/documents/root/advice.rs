//! What an operator can do about a bucket that cannot be used, by what the server said
//! and at which step.

use std::time::Duration;

use super::s3::Answer;
use crate::{
    clock::words,
    documents::{
        location::Bucket,
        object_store::Error as StoreError,
        root::unusable::{Unusable, innermost},
    },
    error::{Error, causes},
};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To list what is there.
    List,
    /// To write what is not there yet.
    Put,
    /// To read it.
    Get,
    /// To delete several objects with one request.
    Delete,
}

impl Step {
    const fn verb(self) -> &'static str {
        match self {
            Self::List => "list objects",
            Self::Put => "put objects",
            Self::Get => "get objects",
            Self::Delete => "delete objects",
        }
    }
}

/// The sentence for a step that failed.
pub(super) fn failed(step: Step, bucket: &Bucket, cause: Error) -> Unusable {
    let answer = Answer::behind(&cause);
    let advice = match (answer.code(), answer.status()) {
        ("SignatureDoesNotMatch", _) => "AWS_SECRET_ACCESS_KEY is not the secret of AWS_ACCESS_KEY_ID".to_owned(),
        ("InvalidAccessKeyId", _) => "the server does not know AWS_ACCESS_KEY_ID".to_owned(),
        ("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired", _) => "AWS_SESSION_TOKEN is no longer good".to_owned(),
        ("RequestTimeTooSkewed" | "RequestExpired", _) => "the clocks of this machine and of the server differ".to_owned(),
        ("AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect", _) | (_, Some(300..400)) => {
            "the bucket is in another region than AWS_REGION says, or at another AWS_ENDPOINT".to_owned()
        }
        ("NoSuchBucket", _) | (_, Some(404)) if step != Step::Delete => {
            format!("the bucket {} does not exist there: make it, or correct --storage or AWS_ENDPOINT", bucket.name)
        }
        (_, Some(401 | 403)) => format!(
            "AWS_ACCESS_KEY_ID may not {} there; the server needs to list, get, put, copy and delete them",
            step.verb()
        ),
        (_, Some(400 | 405 | 501)) if step == Step::Delete => {
            "the server does not delete many objects with one request (DeleteObjects): set AWS_DISABLE_BULK_DELETE=true".to_owned()
        }
        (_, Some(400 | 405 | 501)) if step == Step::Put => {
            "the server refuses a put with `If-None-Match: *`, and databases stand on conditional puts: no setting helps, use another server".to_owned()
        }
        _ => return Unusable::failed(without_answer(step, bucket, &answer, &cause), cause),
    };
    Unusable::failed(format!("{answer}: {advice}"), cause)
}

/// The sentence for a server that is still awaited.
pub(super) fn late(bucket: &Bucket, after: Duration) -> Unusable {
    Unusable::unfit(format!("AWS_ENDPOINT does not answer within {}{}", words(after), role(bucket)))
}

/// Where credentials come from, if nobody has given them.
fn role(bucket: &Bucket) -> &'static str {
    let has_key = bucket.environment.0.iter().any(|(name, _)| name == "AWS_ACCESS_KEY_ID");
    if has_key { "" } else { "; AWS_ACCESS_KEY_ID is not set, so a role of this machine is asked for credentials" }
}

/// Where the server said nothing that helps.
fn without_answer(step: Step, bucket: &Bucket, answer: &Answer, cause: &Error) -> String {
    let all = causes(cause);
    let role = role(bucket);
    if is_switched_off(cause) {
        return "AWS_CONDITIONAL_PUT switches conditional puts off, and databases stand on them: leave it out"
            .to_owned();
    }
    if all.contains("URL scheme is not allowed") {
        return "AWS_ENDPOINT is without TLS: set AWS_ALLOW_HTTP=true, or use https".to_owned();
    }
    if all.contains("incorrectly configured region") {
        return "the bucket is in another region than AWS_REGION says".to_owned();
    }
    match answer {
        Answer::Unreachable => format!("there is no connection to AWS_ENDPOINT ({}){role}", innermost(cause)),
        Answer::Late | Answer::BrokenOff => format!("{answer}, see AWS_ENDPOINT{role}"),
        Answer::Refused { .. } => format!("{answer} when it is to {}", step.verb()),
        Answer::Odd => format!("{}{role}", innermost(cause)),
    }
}

/// Whether the store was told not to.
fn is_switched_off(error: &Error) -> bool {
    let Error::Unavailable(cause) = error else { return false };
    matches!(cause.as_ref().downcast_ref(), Some(StoreError::NotImplemented { .. }))
}
