//! Filters, as AIP-160 writes them: comparisons and texts to look for, joined by AND, OR and
//! NOT. One language for lists and for documents; what its terms may say of which fields is
//! up to [`Terms`]. All of it is checked while parsing, so matching cannot fail.
//!
//! OR binds tighter than AND, and terms side by side are an AND.

mod error;
mod lexer;
mod literal;
mod needle;
mod parser;
mod text;
mod time;

use std::cmp::Ordering;

pub use self::{
    error::{FilterError, shown},
    literal::{Literal, Operator},
    parser::{Name, Path, parse},
    text::{Pattern, TextTest},
    time::time,
};

/// The longest filter that is read, in bytes.
pub const MAX_BYTES: usize = 4096;
/// The most parentheses in one another: reading and matching recurse.
pub const MAX_DEPTH: usize = 16;

/// What the terms of a filter may say.
pub trait Terms {
    /// One term, checked.
    type Term;
    /// The most comparisons, and texts to look for.
    const MAX: usize;

    /// Checks a comparison. A `bare` value was written without quotes.
    ///
    /// # Errors
    /// [`FilterError`] when there is no such field, or it cannot be compared so.
    fn comparison(
        &mut self,
        path: &Path,
        operator: Operator,
        value: &Literal,
        bare: bool,
    ) -> Result<Self::Term, FilterError>;

    /// Takes a text to look for.
    ///
    /// # Errors
    /// [`FilterError`] when there are too many.
    fn search(&mut self, text: Pattern) -> Result<Self::Term, FilterError>;

    /// Whether a word is surely a field: then an operator is missing behind it.
    fn is_field(&self, path: &Path) -> bool;
}

/// A parsed filter. The empty one matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression<T> {
    all: Vec<Node<T>>,
}

/// What is asked of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node<T> {
    All(Vec<Node<T>>),
    Any(Vec<Node<T>>),
    Not(Box<Node<T>>),
    Term(T),
}

impl<T> Default for Expression<T> {
    fn default() -> Self {
        Self { all: Vec::new() }
    }
}

impl<T> Expression<T> {
    /// Whether an item passes of which these terms hold.
    pub fn holds(&self, holds: impl Fn(&T) -> bool) -> bool {
        self.all.iter().all(|node| node.holds(&holds))
    }
}

impl<T> Node<T> {
    fn holds(&self, holds: &impl Fn(&T) -> bool) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.holds(holds)),
            Self::Any(nodes) => nodes.iter().any(|node| node.holds(holds)),
            Self::Not(node) => !node.holds(holds),
            Self::Term(term) => holds(term),
        }
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Whether it holds between values of this order.
    #[must_use]
    pub const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// Whether it is one of `=` and `!=`.
    #[must_use]
    pub const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}
