//! Reads the grammar of AIP-160 and checks each term against the fields.

use super::check;
use super::lexer::{Lexer, Literal, Spanned, Token};
use super::{Filter, Node};
use crate::listing::error::{FilterError, shown};
use crate::listing::listed::{Field, Kind};

/// The terms that must all hold; none for an empty text.
pub fn parse(text: &str, fields: &'static [Field]) -> Result<Vec<Node>, FilterError> {
    if text.len() > Filter::MAX_BYTES {
        return Err(FilterError::TooLong { bytes: text.len(), max: Filter::MAX_BYTES });
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.advance()?;
    let mut parser = Parser { lexer, fields, next, terms: 0, depth: 0 };
    if parser.next.token == Token::End {
        return Ok(Vec::new());
    }
    let all = parser.expression()?;
    match parser.next.token {
        Token::End => Ok(all),
        _ => Err(parser.unexpected(&parser.next, "AND, OR or the end")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    fields: &'static [Field],
    /// Read, but not taken.
    next: Spanned,
    /// Comparisons and texts so far.
    terms: usize,
    /// Parentheses that are open.
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self) -> Result<Spanned, FilterError> {
        let next = self.lexer.advance()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Factors that must all hold, up to a closing parenthesis or the end. AND may be left out between them.
    fn expression(&mut self) -> Result<Vec<Node>, FilterError> {
        let mut all = vec![self.factor()?];
        loop {
            match self.next.token {
                Token::End | Token::Close => return Ok(all),
                Token::And => {
                    self.take()?;
                }
                _ => {}
            }
            all.push(self.factor()?);
        }
    }

    /// Terms joined by OR.
    fn factor(&mut self) -> Result<Node, FilterError> {
        let first = self.term()?;
        if self.next.token != Token::Or {
            return Ok(first);
        }
        let mut any = vec![first];
        while self.next.token == Token::Or {
            self.take()?;
            any.push(self.term()?);
        }
        Ok(Node::Any(any))
    }

    fn term(&mut self) -> Result<Node, FilterError> {
        if !matches!(self.next.token, Token::Not | Token::Minus) {
            return self.simple();
        }
        let not = self.take()?;
        if not.token == Token::Minus && not.end != self.next.start {
            return Err(self.lexer.error(not.start, "`-` stands directly before what it negates"));
        }
        Ok(Node::Not(Box::new(self.simple()?)))
    }

    fn simple(&mut self) -> Result<Node, FilterError> {
        let first = self.take()?;
        match &first.token {
            Token::Open => self.group(&first),
            Token::Word(word) => self.restriction(&first, word),
            Token::Quoted(text) => {
                if let Token::Operator(_) = self.next.token {
                    return Err(self.unexpected(&first, "a field"));
                }
                self.search(&first, text)
            }
            _ => Err(self.unexpected(&first, "a field or a text to look for")),
        }
    }

    fn group(&mut self, open: &Spanned) -> Result<Node, FilterError> {
        if self.depth == Filter::MAX_DEPTH {
            return Err(FilterError::TooDeep { max: Filter::MAX_DEPTH });
        }
        self.depth += 1;
        let all = self.expression()?;
        self.depth -= 1;
        match self.take()?.token {
            Token::Close => Ok(Node::All(all)),
            _ => Err(self.lexer.error(open.start, "the closing parenthesis is missing")),
        }
    }

    /// A comparison if an operator follows, and otherwise a text to look for.
    fn restriction(&mut self, first: &Spanned, word: &Literal) -> Result<Node, FilterError> {
        let is_compared = matches!(self.next.token, Token::Operator(_)) || self.ends_before_key(&word.text);
        if !is_compared {
            if self.next.token == Token::Open && self.next.start == first.end {
                return Err(self.unsupported(first, "a function"));
            }
            if self.is_field(&word.text) {
                return Err(self.unexpected(&self.next, "an operator"));
            }
            if ["and", "or", "not"].iter().any(|keyword| keyword.eq_ignore_ascii_case(&word.text)) {
                let why = format!("write {} in capitals, or in quotes to look for it", self.lexer.shown(first));
                return Err(self.lexer.error(first.start, why));
            }
            return self.search(first, word);
        }
        self.count()?;
        let (field, key) = self.field(first, word)?;
        let next = self.take()?;
        let Token::Operator(operator) = next.token else {
            return Err(self.unexpected(&next, "an operator"));
        };
        let next = self.take()?;
        let (Token::Word(value) | Token::Quoted(value)) = &next.token else {
            return Err(match next.token {
                Token::Open => self.unsupported(&next, "a parenthesis as a value"),
                _ => self.unexpected(&next, "a value; words such as AND need quotes"),
            });
        };
        let bare = matches!(next.token, Token::Word(_));
        let comparison = match key {
            Some(key) => check::label(key, operator, value, bare)?,
            None => check::comparison(field, operator, value, bare)?,
        };
        Ok(Node::Compare(comparison))
    }

    fn search(&mut self, first: &Spanned, text: &Literal) -> Result<Node, FilterError> {
        self.count()?;
        let misplaced = "a text to look for is not empty, and a star stands only at its start or end";
        check::pattern(text).map(Node::Search).ok_or_else(|| self.lexer.error(first.start, misplaced))
    }

    fn count(&mut self) -> Result<(), FilterError> {
        if self.terms == Filter::MAX_COMPARISONS {
            return Err(FilterError::TooMany { max: Filter::MAX_COMPARISONS });
        }
        self.terms += 1;
        Ok(())
    }

    fn named(&self, name: &str) -> Option<Field> {
        self.fields.iter().find(|field| field.name == name).copied()
    }

    /// The field and the rest of `labels.KEY`.
    fn of_labels<'t>(&self, text: &'t str) -> Option<(Field, &'t str)> {
        let (name, key) = text.split_once('.')?;
        self.named(name).filter(|field| field.kind == Kind::Labels).map(|field| (field, key))
    }

    fn is_field(&self, text: &str) -> bool {
        self.named(text).is_some() || self.of_labels(text).is_some()
    }

    /// Whether a key in quotes has to follow.
    fn ends_before_key(&self, text: &str) -> bool {
        self.of_labels(text).is_some_and(|(_, key)| key.is_empty())
    }

    /// The field, and the key when it is `labels.KEY`.
    fn field(&mut self, first: &Spanned, word: &Literal) -> Result<(Field, Option<String>), FilterError> {
        if let Some(field) = self.named(&word.text) {
            return Ok((field, None));
        }
        let Some((field, key)) = self.of_labels(&word.text) else {
            return Err(self.unknown(&word.text));
        };
        if !key.is_empty() {
            return Ok((field, Some(check::plain_key(&word.text, key, &word.stars)?)));
        }
        let next = self.take()?;
        match &next.token {
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
            Token::Comma => self.unsupported(found, "a list"),
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
            ("name = (a)", "a parenthesis as a value at character 8 is not supported: write comparisons"),
            ("f(a)", "a function at character 1 "),
            ("name = a, b", "a list at character 9 "),
        ]);
    }

    #[test]
    fn the_shape_is_terms_joined_by_and_or_and_not() {
        refused(&[
            ("name = a and name = b", "at character 10: write `and` in capitals"),
            ("name = a Or name = b", "write `Or` in capitals, or in quotes to look for it; supported are comparisons"),
            ("name = a AND", "expected a field or a text to look for, found the end"),
            ("name = a OR", "expected a field or a text to look for, found the end"),
            ("NOT", "expected a field or a text to look for, found the end"),
            ("NOT NOT name = a", "expected a field or a text to look for, found `NOT`"),
            ("AND name = a", "expected a field or a text to look for, found `AND`"),
            ("name = a AND OR name = b", "expected a field or a text to look for, found `OR`"),
            ("OR", "expected a field or a text to look for, found `OR`"),
            ("= 3", "expected a field or a text to look for, found `=`"),
            ("()", "expected a field or a text to look for, found `)`"),
            ("(name = a", "at character 1: the closing parenthesis is missing"),
            ("name = a)", "expected AND, OR or the end, found `)`"),
            ("- name = a", "at character 1: `-` stands directly before what it negates"),
            ("'name' = a", "expected a field, found `'name'`"),
            ("name", "expected an operator, found the end"),
            ("name a", "expected an operator, found `a`"),
            ("labels.team", "expected an operator, found the end"),
            ("name =", "expected a value; words such as AND need quotes, found the end"),
            ("name = AND", "expected a value; words such as AND need quotes, found `AND`"),
            ("''", "a text to look for is not empty"),
            ("a*b", "a star stands only at its start or end"),
        ]);
    }

    #[test]
    fn unknown_fields_list_the_known() {
        let known = "supported are name, description, labels.KEY, state, size_bytes, end_time";
        refused(&[("nam = a", known), ("name.a = b", known), ("Name = a", known), ("uid = a", known)]);
    }

    #[test]
    fn size_number_and_depth_are_limited() {
        for (term, join) in [("name != a", " AND "), ("name != a", " OR "), ("a", " ")] {
            let many = |n| vec![term; n].join(join);
            assert!(parse(&many(Filter::MAX_COMPARISONS), Item::FIELDS).is_ok());
            refused(&[(&many(Filter::MAX_COMPARISONS + 1), "at most 32 are supported")]);
        }
        let long = |bytes| format!("name = {}", "a".repeat(bytes - 7));
        assert!(parse(&long(Filter::MAX_BYTES), Item::FIELDS).is_ok());
        refused(&[(&long(Filter::MAX_BYTES + 1), "has 4097 bytes: at most 4096 are supported")]);
        let deep = |n| format!("{}a{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&deep(Filter::MAX_DEPTH), Item::FIELDS).is_ok());
        refused(&[(&deep(Filter::MAX_DEPTH + 1), "parentheses in one another: at most 16 are supported")]);
        refused(&[(&"(".repeat(Filter::MAX_BYTES), "at most 16 are supported")]);
    }
}
