//! What can be wrong with a filter. Every message says what is supported, because it is all
//! the caller gets to see of the grammar; the field that it is in is named by whoever shows it.

use super::{Literal, Operator};

/// What is wrong with a filter. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Longer than is read.
    #[error("has {bytes} bytes: at most {max} are supported")]
    TooLong {
        /// What was sent.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// More comparisons than are evaluated.
    #[error("has too many comparisons: at most {max} are supported")]
    TooMany {
        /// What is allowed.
        max: usize,
    },
    /// More than may read whole documents.
    #[error("has too many texts to look for, and patterns with a star at both ends: at most {max} are supported")]
    TooManyScans {
        /// What is allowed.
        max: usize,
    },
    /// More parentheses in one another than are read.
    #[error("has too many parentheses in one another: at most {max} are supported")]
    TooDeep {
        /// What is allowed.
        max: usize,
    },
    /// Valid AIP-160 that this service leaves out.
    #[error(
        "{what} at character {at} is not supported: write comparisons `field op value` and texts to look for, joined by AND, OR and NOT; op one of = != < <= > >= :"
    )]
    Unsupported {
        /// Where.
        at: usize,
        /// Which part of AIP-160.
        what: &'static str,
    },
    /// Not AIP-160.
    #[error(
        "is not understood at character {at}: {why}; supported are comparisons `field op value` and texts to look for, joined by AND, OR and NOT; op one of = != < <= > >= :"
    )]
    Syntax {
        /// Where.
        at: usize,
        /// What was expected.
        why: String,
    },
    /// A field that cannot be filtered by.
    #[error("`{field}` cannot be filtered by: supported are {supported}")]
    UnknownField {
        /// As it was written.
        field: String,
        /// All that can.
        supported: String,
    },
    /// An operator that the field does not have.
    #[error("`{field}` cannot be compared with `{operator}`: supported are {supported}")]
    Operator {
        /// The field.
        field: String,
        /// As it was written.
        operator: &'static str,
        /// The operators that it has.
        supported: &'static str,
    },
    /// A value that the field cannot have.
    #[error("`{field}` cannot be compared with `{found}`: use {expected}")]
    Value {
        /// The field.
        field: String,
        /// As it was written.
        found: String,
        /// What the field can have.
        expected: String,
    },
}

impl FilterError {
    /// A value that a field cannot have.
    #[must_use]
    pub fn value(field: &str, value: &Literal, expected: impl Into<String>) -> Self {
        Self::Value { field: shown(field), found: shown(&value.text), expected: expected.into() }
    }

    /// An operator that a field does not have.
    #[must_use]
    pub fn operator(field: &str, operator: Operator, supported: &'static str) -> Self {
        Self::Operator { field: shown(field), operator: operator.text(), supported }
    }
}

/// The caller's text as far as it belongs into a message: gRPC carries messages
/// in a header, whose size is limited, and logs must not break lines.
#[must_use]
pub fn shown(text: &str) -> String {
    const MAX: usize = 64;
    let clean = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    let mut out: String = text.chars().take(MAX).map(clean).collect();
    if text.chars().nth(MAX).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoed_text_is_short_and_on_one_line() {
        assert_eq!(shown("a\nb"), "a\u{FFFD}b");
        assert_eq!(shown(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(shown(&"é".repeat(65)), "é".repeat(64) + "…");
    }
}
