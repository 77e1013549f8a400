//! Operators and values, as a filter has them.

use super::Relation;

/// What stands between a field and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// A comparison.
    Relation(Relation),
    /// `:`
    Has,
}

impl Operator {
    /// `None` for `:`.
    #[must_use]
    pub const fn relation(self) -> Option<Relation> {
        match self {
            Self::Relation(relation) => Some(relation),
            Self::Has => None,
        }
    }

    /// As it is written.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Relation(Relation::Equal) => "=",
            Self::Relation(Relation::NotEqual) => "!=",
            Self::Relation(Relation::Less) => "<",
            Self::Relation(Relation::LessOrEqual) => "<=",
            Self::Relation(Relation::Greater) => ">",
            Self::Relation(Relation::GreaterOrEqual) => ">=",
            Self::Has => ":",
        }
    }
}

/// Text without its quotes and escapes, and which of its stars were not
/// escaped: only those are wildcards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Literal {
    /// The text.
    pub text: String,
    /// At which bytes of it wildcards are.
    pub stars: Vec<usize>,
}

impl Literal {
    /// Whether it is nothing but one wildcard.
    #[must_use]
    pub fn is_star(&self) -> bool {
        self.text == "*" && self.stars == [0]
    }

    pub(super) fn push(&mut self, c: char) {
        if c == '*' {
            self.stars.push(self.text.len());
        }
        self.text.push(c);
    }
}
