//! What can be wrong with the arguments of a List method. Every message says
//! what is supported, because it is all the caller gets to see of the grammar; the
//! field that it is about is named by whoever shows it.

use super::token::TokenError;
use crate::filter::FilterError;

/// What is wrong with a List request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Correct the filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Correct the order.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Ask for no or a positive size.
    #[error("is {0}: use 0 for the default or a positive number")]
    PageSize(i32),
    /// Start again without a token.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl ListingError {
    /// The request field to correct, for `BadRequest`.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::Order(_) => "order_by",
            Self::PageSize(_) => "page_size",
            Self::Token(_) => "page_token",
        }
    }
}

/// What is wrong with an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A field that cannot be ordered by.
    #[error(
        "`{field}` cannot be ordered by: supported are {supported}, separated by commas, each with ` asc` or ` desc` if wanted"
    )]
    UnknownField {
        /// As it was written; empty between two commas.
        field: String,
        /// All that can.
        supported: String,
    },
    /// Something else than a direction behind a field.
    #[error("`{found}` behind `{field}` is not a direction: supported are `asc` and `desc`")]
    Direction {
        /// The field.
        field: &'static str,
        /// As it was written.
        found: String,
    },
    /// A field twice.
    #[error("`{field}` is there twice: name each field at most once")]
    Twice {
        /// The field.
        field: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_its_request_field() {
        let filter = FilterError::TooMany { max: 32 };
        let order = OrderError::Twice { field: "name" };
        assert_eq!(ListingError::from(filter).field(), "filter");
        assert_eq!(ListingError::from(order).field(), "order_by");
        assert_eq!(ListingError::PageSize(-1).field(), "page_size");
        assert_eq!(ListingError::from(TokenError::Mismatch).field(), "page_token");
    }

    /// Whoever shows an error puts the field before it.
    #[test]
    fn no_error_says_its_request_field_itself() {
        let field = || "name".to_owned();
        let filters = [
            FilterError::TooLong { bytes: 5000, max: 4096 },
            FilterError::TooMany { max: 32 },
            FilterError::TooManyScans { max: 8 },
            FilterError::TooDeep { max: 16 },
            FilterError::Unsupported { at: 1, what: "a function" },
            FilterError::Syntax { at: 1, why: "a field".to_owned() },
            FilterError::UnknownField { field: field(), supported: field() },
        ];
        let orders = [
            OrderError::UnknownField { field: field(), supported: field() },
            OrderError::Direction { field: "name", found: field() },
            OrderError::Twice { field: "name" },
        ];
        let errors = filters.into_iter().map(ListingError::from).chain(orders.into_iter().map(ListingError::from));
        for error in errors.chain([ListingError::PageSize(-1)]) {
            assert!(!error.to_string().starts_with(error.field()), "{}: {error}", error.field());
        }
    }
}
