//! Why a storage root cannot be used: one sentence, that says what its operator can do.

use std::{error::Error as StdError, fmt::Display};

use crate::error::{Error, causes};

/// Why a storage root cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unusable {
    why: String,
    #[source]
    cause: Option<Box<Error>>,
}

impl Unusable {
    /// It does not do what it must.
    pub fn unfit(why: impl Display) -> Self {
        Self { why: why.to_string(), cause: None }
    }

    /// It fails.
    pub fn failed(why: impl Display, cause: Error) -> Self {
        tracing::debug!(%cause, causes = causes(&cause), "the storage root cannot be used");
        Self { why: why.to_string(), cause: Some(Box::new(cause)) }
    }
}

impl From<Error> for Unusable {
    fn from(error: Error) -> Self {
        Self::failed(innermost(&error), error.clone())
    }
}

/// What an error began with, which says most in fewest words.
pub fn innermost(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}
