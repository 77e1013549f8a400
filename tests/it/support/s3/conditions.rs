//! Under which conditions an object is written, or read.

use chrono::{DateTime, Utc};
use http::StatusCode;

use super::{answer::Failure, object::Object, request::Request};

/// What must be so for an object to be written.
pub enum Condition {
    None,
    /// Its key names none.
    Absent,
    /// Its key names one with this ETag.
    Etag(String),
}

impl Condition {
    pub fn of(request: &Request) -> Result<Self, Failure> {
        match (request.header("if-none-match"), request.header("if-match")) {
            (None, None) => Ok(Self::None),
            (Some("*"), None) => Ok(Self::Absent),
            (None, Some(etag)) if etag != "*" => Ok(Self::Etag(quoted(etag))),
            _ => Err(Failure::unknown("these conditions of a write")),
        }
    }
}

/// Refuses a read whose conditions do not hold. Those by time count only where
/// there is none by ETag, as RFC 9110 has it.
pub fn allow_read(request: &Request, object: &Object) -> Result<(), Failure> {
    let is_this = |etags: &str| etags == "*" || etags.split(',').any(|etag| quoted(etag.trim()) == object.record.etag);
    let is_newer = |header: &str| Some(object.modified > time(request.header(header)?)?);
    let is_refused = match request.header("if-match") {
        Some(etags) => !is_this(etags),
        None => is_newer("if-unmodified-since") == Some(true),
    };
    if is_refused {
        return Err(Failure::precondition("If-Match or If-Unmodified-Since"));
    }
    let is_unchanged = match request.header("if-none-match") {
        Some(etags) => is_this(etags),
        None => is_newer("if-modified-since") == Some(false),
    };
    if is_unchanged { Err(Failure::new(StatusCode::NOT_MODIFIED, "NotModified", "")) } else { Ok(()) }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.to_utc())
}

/// S3 takes an ETag with quotes and without.
pub fn quoted(etag: &str) -> String {
    format!("\"{}\"", etag.trim_matches('"'))
}
