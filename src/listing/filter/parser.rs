//! Reads `field op value AND ...` and checks each part against the fields.

use super::check;
use super::lexer::{Lexer, Literal, Spanned, Token};
use super::{Comparison, Filter};
use crate::listing::error::{FilterError, shown};
use crate::listing::listed::{Field, Kind};

pub fn parse(text: &str, fields: &'static [Field]) -> Result<Vec<Comparison>, FilterError> {
    if text.len() > Filter::MAX_BYTES {
        return Err(FilterError::TooLong { bytes: text.len(), max: Filter::MAX_BYTES });
    }
    Parser { lexer: Lexer::new(text), fields }.filter()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    fields: &'static [Field],
}

impl Parser<'_> {
    fn filter(mut self) -> Result<Vec<Comparison>, FilterError> {
        let mut comparisons = Vec::new();
        let mut next = self.lexer.advance()?;
        if next.token == Token::End {
            return Ok(comparisons);
        }
        loop {
            if comparisons.len() == Filter::MAX_COMPARISONS {
                return Err(FilterError::TooMany { max: Filter::MAX_COMPARISONS });
            }
            comparisons.push(self.comparison(&next)?);
            next = self.lexer.advance()?;
            match next.token {
                Token::End => return Ok(comparisons),
                Token::And => next = self.lexer.advance()?,
                _ => return Err(self.unexpected(&next, "AND or the end")),
            }
        }
    }

    fn comparison(&mut self, first: &Spanned) -> Result<Comparison, FilterError> {
        let Token::Word(word) = &first.token else {
            return Err(self.unexpected(first, "a field"));
        };
        if word.text.starts_with('-') {
            return Err(self.unsupported(first, "NOT, also written `-`,"));
        }
        let (field, key) = self.field(first, word)?;
        let next = self.lexer.advance()?;
        let Token::Operator(operator) = next.token else {
            return Err(self.unexpected(&next, "an operator"));
        };
        let next = self.lexer.advance()?;
        let (Token::Word(value) | Token::Quoted(value)) = &next.token else {
            return Err(self.unexpected(&next, "a value; words such as AND need quotes"));
        };
        let bare = matches!(next.token, Token::Word(_));
        match key {
            Some(key) => check::label(key, operator, value, bare),
            None => check::comparison(field, operator, value, bare),
        }
    }

    /// The field, and the key when it is `labels.KEY`.
    fn field(&mut self, first: &Spanned, word: &Literal) -> Result<(Field, Option<String>), FilterError> {
        let find = |name: &str| self.fields.iter().find(|field| field.name == name).copied();
        if let Some(field) = find(&word.text) {
            return Ok((field, None));
        }
        let labels = word.text.split_once('.').and_then(|(name, key)| Some((find(name)?, key)));
        let Some((field, key)) = labels.filter(|(field, _)| field.kind == Kind::Labels) else {
            return Err(self.unknown(&word.text));
        };
        if !key.is_empty() {
            return Ok((field, Some(check::plain_key(&word.text, key, &word.stars)?)));
        }
        let next = self.lexer.advance()?;
        match next.token {
            Token::Quoted(key) if next.start == first.end => {
                Ok((field, Some(check::plain_key(&word.text, &key.text, &key.stars)?)))
            }
            _ => Err(self.unexpected(&next, "the key of a label, such as labels.team or labels.\"my key\"")),
        }
    }

    /// Parts of AIP-160 that are left out get their own answer: the caller wrote
    /// nothing wrong.
    fn unexpected(&self, found: &Spanned, expected: &str) -> FilterError {
        match found.token {
            Token::Or => self.unsupported(found, "OR"),
            Token::Not => self.unsupported(found, "NOT"),
            Token::Grouping => self.unsupported(found, "a parenthesis or list"),
            _ => self.lexer.error(found.start, format!("expected {expected}, found {}", self.lexer.shown(found))),
        }
    }

    fn unsupported(&self, found: &Spanned, what: &'static str) -> FilterError {
        FilterError::Unsupported { at: self.lexer.position(found.start), what }
    }

    fn unknown(&self, field: &str) -> FilterError {
        let name = |field: &Field| match field.kind {
            Kind::Labels => format!("{}.KEY", field.name),
            _ => field.name.to_owned(),
        };
        let supported: Vec<String> = self.fields.iter().map(name).collect();
        FilterError::UnknownField { field: shown(field), supported: supported.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::fixture::{Item, refused};
    use crate::listing::listed::Listed;

    #[test]
    fn what_is_left_out_is_named() {
        refused(&[
            ("name = a OR name = b", "OR at character 10 of the filter is not supported: write comparisons"),
            ("NOT name = a", "NOT at character 1 "),
            ("-name = a", "NOT, also written `-`, at character 1 "),
            ("(name = a)", "a parenthesis or list at character 1 "),
            ("name = (a)", "a parenthesis or list at character 8 "),
            ("name(a)", "a parenthesis or list at character 5 "),
        ]);
    }

    #[test]
    fn the_shape_is_comparisons_joined_by_and() {
        refused(&[
            ("name = a name = b", "at character 10: expected AND or the end, found `name`; supported are comparisons"),
            ("name = a and name = b", "expected AND or the end, found `and`"),
            ("name = a AND", "expected a field, found the end"),
            ("AND name = a", "expected a field, found `AND`"),
            ("'name' = a", "expected a field, found `'name'`"),
            ("name", "expected an operator, found the end"),
            ("name a", "expected an operator, found `a`"),
            ("name =", "expected a value; words such as AND need quotes, found the end"),
            ("name = AND", "expected a value; words such as AND need quotes, found `AND`"),
            ("end_time > 2026-01-01T00:00:00Z", "use an RFC 3339 time in quotes"),
        ]);
    }

    #[test]
    fn unknown_fields_list_the_known() {
        let known = "supported are name, description, labels.KEY, state, size_bytes, end_time";
        refused(&[("nam = a", known), ("name.a = b", known), ("Name = a", known), ("uid = a", known)]);
    }

    #[test]
    fn size_and_number_are_limited() {
        let many = |n| vec!["name != a"; n].join(" AND ");
        assert_eq!(parse(&many(Filter::MAX_COMPARISONS), Item::FIELDS).unwrap().len(), 32);
        let long = |bytes| format!("name = {}", "a".repeat(bytes - 7));
        assert!(parse(&long(Filter::MAX_BYTES), Item::FIELDS).is_ok());
        refused(&[
            (&many(Filter::MAX_COMPARISONS + 1), "at most 32 are supported"),
            (&long(Filter::MAX_BYTES + 1), "filter has 4097 bytes: at most 4096 are supported"),
        ]);
    }
}
