//! Filters of documents: those of AIP-160, as lists have them.
//!
//! `id` and `event_time` are the document's own. Every other name is of a member of the
//! body, and dots lead into objects: `user.city = "Oslo"`. A member that is named like one
//! of those, or has a dot in its name, is reached through the body itself: `doc.id`,
//! `doc."a.b"`.
//!
//! - Values compare by their JSON type, numbers by their exact decimal value. A comparison of
//!   unlike types is false, and so is any comparison of a member that is not there, `!=` too.
//! - `:` looks into lists, at any depth: `tags:a` is whether a list has that member, or a
//!   value is equal to it; of an object, whether it has that key. `field:*` is whether it is
//!   there and not null.
//! - A value without quotes is a number, `true`, `false` or `null` if it reads so, and
//!   otherwise a text. A text to look for is found in the id and in every text of the body.
//!
//! The filter comes from a client, so its cost is bounded by how it is built: a body is read
//! once. Each member asks for what is asked of it by its name, and what `:` asks of the
//! members of lists is found by hash and answered once for all terms that ask it, so how many
//! terms there are costs next to nothing. A comparison reads as much of a value as it is long
//! itself, and a number is brought into shape once for all of them. Only texts to look for and
//! patterns with two stars read what they are held against to its end, once each; there are
//! [`MAX_SCANS`](Filter::MAX_SCANS) of them at most.

mod asked;
mod check;
mod look;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::asked::{Asked, Term};
use crate::filter::{self, Expression, FilterError};

/// A checked filter; clones share it.
#[derive(Clone, Debug)]
pub struct Filter {
    inner: Arc<Checked>,
}

#[derive(Debug)]
struct Checked {
    expression: Expression<Term>,
    asked: Asked,
}

impl Filter {
    /// The most comparisons, and texts to look for.
    pub const MAX_TERMS: usize = 256;
    /// The most texts to look for, and patterns with a star at both ends.
    pub const MAX_SCANS: usize = 8;

    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`] with the place and what was expected there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut terms = check::Terms::default();
        let expression = filter::parse(text, &mut terms)?;
        Ok(Self { inner: Arc::new(Checked { expression, asked: terms.asked }) })
    }

    /// Whether a document matches. The body must be JSON, as those that are stored are.
    #[must_use]
    pub fn matches(&self, id: &str, event_time_micros: i64, body: &[u8]) -> bool {
        let Checked { expression, asked } = &*self.inner;
        let Ok(facts) = look::look(asked, id, event_time_micros, body) else { return false };
        expression.holds(|term| facts.make(*term))
    }
}
