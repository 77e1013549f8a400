//! What a server has answered, out of the store's error: only its text has the answer, and
//! the text has much else, names of hosts and paths among it.

use std::{error::Error as StdError, fmt};

use slatedb::object_store::client::{HttpError, HttpErrorKind};

/// How the store says that it got an answer, before status and body. Tests pin it.
const ANSWERED: &str = "Server returned non-2xx status code: ";
/// What comes in XML is longer than it says.
const MAX_CODE_BYTES: usize = 64;

/// Why a request was not done, as far as the server or the connection says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server said no.
    Refused {
        /// The status of HTTP.
        status: u16,
        /// The code of S3; empty if there is none.
        code: String,
    },
    /// There was no connection.
    Unreachable,
    /// There was no answer in time.
    Late,
    /// The connection ended before the answer did.
    BrokenOff,
    /// Something else: nobody answered, or nobody understood.
    Odd,
}

impl Answer {
    /// What is in an answer.
    #[must_use]
    pub fn of(status: u16, body: &str) -> Self {
        let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let is_code =
            |code: &&str| code.len() <= MAX_CODE_BYTES && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        Self::Refused { status, code: code.filter(is_code).unwrap_or_default().to_owned() }
    }

    /// What is behind an error.
    #[must_use]
    pub fn behind(error: &(dyn StdError + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<HttpError>() {
                return Self::without(error);
            }
            let text = error.to_string();
            if let Some((status, body)) = text.strip_prefix(ANSWERED).and_then(|rest| rest.split_at_checked(3))
                && let Ok(status) = status.parse()
            {
                return Self::of(status, body);
            }
            // The source of one that carries another is that one's source.
            cause = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        Self::Odd
    }

    fn without(error: &HttpError) -> Self {
        match error.kind() {
            HttpErrorKind::Connect => Self::Unreachable,
            HttpErrorKind::Timeout => Self::Late,
            HttpErrorKind::Request | HttpErrorKind::Interrupted => Self::BrokenOff,
            _ => Self::Odd,
        }
    }

    /// The code of S3, or nothing.
    #[must_use]
    pub fn code(&self) -> &str {
        if let Self::Refused { code, .. } = self { code } else { "" }
    }

    /// The status, if there was an answer.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        if let Self::Refused { status, .. } = self { Some(*status) } else { None }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, code } if code.is_empty() => write!(f, "the store answers {status}"),
            Self::Refused { status, code } => write!(f, "the store answers {status} {code}"),
            Self::Unreachable => f.write_str("there is no connection to the store"),
            Self::Late => f.write_str("the store does not answer in time"),
            Self::BrokenOff => f.write_str("the connection to the store broke off"),
            Self::Odd => f.write_str("the store does not answer as it should"),
        }
    }
}

#[cfg(test)]
mod tests {
    use slatedb::object_store::Error as StoreError;

    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_code() {
        let body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>";
        assert_eq!(Answer::of(403, body).to_string(), "the store answers 403 AccessDenied");
        for body in ["", "<html>", "<Code>", "<Code>a b</Code>", &format!("<Code>{}</Code>", "x".repeat(65))] {
            assert_eq!(Answer::of(501, body).to_string(), "the store answers 501", "{body}");
        }
    }

    #[test]
    fn what_a_key_says_is_no_answer() {
        let source = std::io::Error::other(HttpError::new(HttpErrorKind::Timeout, std::fmt::Error));
        let path = format!("{ANSWERED}404: <Code>NoSuchBucket</Code>");
        let error = StoreError::PermissionDenied { path, source: Box::new(source) };
        assert_eq!(Answer::behind(&error), Answer::Late);
    }
}
