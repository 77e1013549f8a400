//! Texts in filters: compared, with a star at either end, or looked for.

use super::{FilterError, Literal, Operator, Relation, needle::Needle};

/// Text that may go on at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    part: Needle,
    open_start: bool,
    open_end: bool,
}

/// What is asked of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTest {
    /// How it compares, by code points.
    Compare(Relation, String),
    /// Whether it fits a pattern.
    Like {
        /// The pattern.
        pattern: Pattern,
        /// It is not to fit.
        negated: bool,
    },
}

impl TextTest {
    /// Checks a comparison of a text. `:` is equality, without wildcards.
    ///
    /// # Errors
    /// [`FilterError::Value`] for a star in a wrong place.
    pub fn new(field: &str, operator: Operator, value: &Literal) -> Result<Self, FilterError> {
        let relation = operator.relation();
        if value.stars.is_empty() {
            return Ok(Self::Compare(relation.unwrap_or(Relation::Equal), value.text.clone()));
        }
        match (relation.filter(|relation| relation.is_equality()), Pattern::new(value)) {
            (Some(relation), Some(pattern)) => Ok(Self::Like { pattern, negated: relation == Relation::NotEqual }),
            _ => Err(FilterError::value(
                field,
                value,
                r"`*` only with = or != and at the start or end of the text; in quotes, a plain star is written \*",
            )),
        }
    }

    /// Whether a text passes.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Compare(relation, operand) => relation.holds(text.cmp(operand)),
            Self::Like { pattern, negated } => pattern.fits(text) != *negated,
        }
    }

    /// Whether it is a `!=`.
    #[must_use]
    pub fn is_unequal(&self) -> bool {
        matches!(self, Self::Compare(Relation::NotEqual, _) | Self::Like { negated: true, .. })
    }

    /// Whether it may read a text to its end, whatever its own length.
    #[must_use]
    pub fn reads_all(&self) -> bool {
        matches!(self, Self::Like { pattern: Pattern { open_start: true, open_end: true, .. }, .. })
    }
}

impl Pattern {
    /// `None`: it is empty, or has a star in its middle.
    #[must_use]
    pub fn new(value: &Literal) -> Option<Self> {
        let open_start = value.stars.first() == Some(&0);
        let open_end = value.stars.last().is_some_and(|star| star + 1 == value.text.len());
        let from = usize::from(open_start);
        let to = value.text.len() - usize::from(open_end);
        if value.text.is_empty() || value.stars.iter().any(|star| (from..to).contains(star)) {
            return None;
        }
        // One star is both ends, and `from` is then behind `to`.
        let part = Needle::new(value.text.get(from..to).unwrap_or_default());
        Some(Self { part, open_start, open_end })
    }

    /// The text, if it goes on at neither end.
    #[must_use]
    pub fn whole(&self) -> Option<&str> {
        (!self.open_start && !self.open_end).then(|| self.part.text())
    }

    /// Whether it is the whole text.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let part = self.part.text();
        match (self.open_start, self.open_end) {
            (true, true) => text.contains(part),
            (true, false) => text.ends_with(part),
            (false, true) => text.starts_with(part),
            (false, false) => text == part,
        }
    }

    /// Whether it is found as whole words, or as parts of them where it may go on: who looks for `prod` does not mean
    /// `nonprod`.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let part = self.part.text();
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let begins_word = !self.open_start && is_part(part.chars().next());
        let ends_word = !self.open_end && is_part(part.chars().next_back());
        self.part.is_found(text, |at| {
            let (before, after) = (text.get(..at), text.get(at + part.len()..));
            !(begins_word && is_part(before.and_then(|before| before.chars().next_back()))
                || ends_word && is_part(after.and_then(|after| after.chars().next())))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the place between two characters is inside a word.
    fn is_in_word(before: Option<char>, after: Option<char>) -> bool {
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        is_part(before) && is_part(after)
    }

    /// As it is meant, place by place.
    fn is_somewhere(pattern: &Pattern, text: &str) -> bool {
        let part = pattern.part.text();
        let (first, last) = (part.chars().next(), part.chars().next_back());
        let mut places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        places.any(|at| {
            let (before, rest) = text.split_at(at);
            let Some(after) = rest.strip_prefix(part) else { return false };
            (pattern.open_start || !is_in_word(before.chars().next_back(), first))
                && (pattern.open_end || !is_in_word(last, after.chars().next()))
        })
    }

    proptest! {
        #[test]
        fn words_are_found_wherever_they_are(
            text in "[ab é-]{0,12}", part in "[ab é-]{1,4}", open_start in any::<bool>(), open_end in any::<bool>(),
        ) {
            let pattern = Pattern { part: Needle::new(&part), open_start, open_end };
            prop_assert_eq!(pattern.is_in(&text), is_somewhere(&pattern, &text));
        }
    }
}
