//! Reads the grammar of AIP-160 and has each term checked.

use super::{
    Expression, FilterError, MAX_BYTES, MAX_DEPTH, Node, Pattern, Terms,
    lexer::{Lexer, Spanned, Token},
    literal::Literal,
};

/// What stands in front of an operator: names with dots between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// As it was written, without quotes and escapes.
    pub text: String,
    /// At least one.
    pub names: Vec<Name>,
    /// There is a star in it that is not escaped.
    pub has_star: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name. Without quotes it may be empty: two dots side by side.
    pub text: String,
    /// It was in quotes, so dots in it are its own.
    pub is_quoted: bool,
}

impl Path {
    fn new(word: &Literal) -> Self {
        let names = word.text.split('.').map(Name::plain).collect();
        Self { text: word.text.clone(), names, has_star: !word.stars.is_empty() }
    }

    /// Goes on behind a dot, which left an empty name.
    fn push_quoted(&mut self, name: &Literal) {
        self.names.pop();
        self.names.push(Name { text: name.text.clone(), is_quoted: true });
        self.text.push_str(&name.text);
        self.has_star |= !name.stars.is_empty();
    }

    /// Goes on behind a name in quotes, with a dot.
    fn push_word(&mut self, word: &Literal) {
        self.names.extend(word.text.split('.').skip(1).map(Name::plain));
        self.text.push_str(&word.text);
        self.has_star |= !word.stars.is_empty();
    }

    fn ends_with_dot(&self) -> bool {
        self.names.len() > 1 && self.names.last().is_some_and(|name| name.text.is_empty() && !name.is_quoted)
    }
}

impl Name {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), is_quoted: false }
    }
}

/// Reads a filter, whose terms are those.
///
/// # Errors
/// [`FilterError`] with the place and what was expected there.
pub fn parse<T: Terms>(text: &str, terms: &mut T) -> Result<Expression<T::Term>, FilterError> {
    if text.len() > MAX_BYTES {
        return Err(FilterError::TooLong { bytes: text.len(), max: MAX_BYTES });
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.advance()?;
    let mut parser = Parser { lexer, terms, next, count: 0, depth: 0 };
    if parser.next.token == Token::End {
        return Ok(Expression::default());
    }
    let all = parser.expression()?;
    match parser.next.token {
        Token::End => Ok(Expression { all }),
        _ => Err(parser.unexpected(&parser.next, "AND, OR or the end")),
    }
}

struct Parser<'a, T> {
    lexer: Lexer<'a>,
    terms: &'a mut T,
    /// Read, but not taken.
    next: Spanned,
    /// Comparisons and texts so far.
    count: usize,
    /// Parentheses that are open.
    depth: usize,
}

impl<T: Terms> Parser<'_, T> {
    fn take(&mut self) -> Result<Spanned, FilterError> {
        let next = self.lexer.advance()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Factors that must all hold, up to a closing parenthesis or the end. AND may be left out between them.
    fn expression(&mut self) -> Result<Vec<Node<T::Term>>, FilterError> {
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
    fn factor(&mut self) -> Result<Node<T::Term>, FilterError> {
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

    fn term(&mut self) -> Result<Node<T::Term>, FilterError> {
        if !matches!(self.next.token, Token::Not | Token::Minus) {
            return self.simple();
        }
        let not = self.take()?;
        if not.token == Token::Minus && not.end != self.next.start {
            return Err(self.lexer.error(not.start, "`-` stands directly before what it negates"));
        }
        Ok(Node::Not(Box::new(self.simple()?)))
    }

    fn simple(&mut self) -> Result<Node<T::Term>, FilterError> {
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

    fn group(&mut self, open: &Spanned) -> Result<Node<T::Term>, FilterError> {
        if self.depth == MAX_DEPTH {
            return Err(FilterError::TooDeep { max: MAX_DEPTH });
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
    fn restriction(&mut self, first: &Spanned, word: &Literal) -> Result<Node<T::Term>, FilterError> {
        let (path, has_quoted) = self.path(first, word)?;
        if !matches!(self.next.token, Token::Operator(_)) {
            if self.next.token == Token::Open && self.next.start == first.end {
                return Err(self.unsupported(first, "a function"));
            }
            let is_before_quotes = self.next.start == first.end && matches!(self.next.token, Token::Quoted(_));
            if has_quoted || is_before_quotes || self.terms.is_field(&path) {
                let expected = if path.ends_with_dot() { "a name behind the dot" } else { "an operator" };
                return Err(self.unexpected(&self.next, expected));
            }
            if ["and", "or", "not"].iter().any(|keyword| keyword.eq_ignore_ascii_case(&word.text)) {
                let why = format!("write {} in capitals, or in quotes to look for it", self.lexer.shown(first));
                return Err(self.lexer.error(first.start, why));
            }
            // No text that somebody looks for, but `&&` and its like.
            if word.text.chars().all(|c| c.is_ascii_punctuation() && c != '*') {
                return Err(self.unexpected(first, "a field, or a text to look for, in quotes if it is all signs"));
            }
            return self.search(first, word);
        }
        if path.ends_with_dot() {
            return Err(self.unexpected(&self.next, "a name behind the dot"));
        }
        self.count()?;
        let Token::Operator(operator) = self.take()?.token else {
            return Err(self.unexpected(&self.next, "an operator"));
        };
        let next = self.take()?;
        let (Token::Word(value) | Token::Quoted(value)) = &next.token else {
            return Err(match next.token {
                Token::Open => self.unsupported(&next, "a parenthesis as a value"),
                _ => self.unexpected(&next, "a value; words such as AND need quotes"),
            });
        };
        let bare = matches!(next.token, Token::Word(_));
        let term = self.terms.comparison(&path, operator, value, bare)?;
        if self.next.token == Token::Open && self.next.start == next.end {
            return Err(self.unsupported(&next, "a function"));
        }
        Ok(Node::Term(term))
    }

    /// Names in quotes stand directly behind a dot, and a dot directly behind them. Returns also whether there is one.
    fn path(&mut self, first: &Spanned, word: &Literal) -> Result<(Path, bool), FilterError> {
        let (mut path, mut end, mut has_quoted) = (Path::new(word), first.end, false);
        while self.next.start == end {
            match &self.next.token {
                Token::Quoted(name) if path.ends_with_dot() => path.push_quoted(name),
                Token::Word(word) if has_quoted && !path.ends_with_dot() && word.text.starts_with('.') => {
                    path.push_word(word);
                }
                _ => break,
            }
            has_quoted = true;
            end = self.take()?.end;
        }
        Ok((path, has_quoted))
    }

    fn search(&mut self, first: &Spanned, text: &Literal) -> Result<Node<T::Term>, FilterError> {
        self.count()?;
        let misplaced = "a text to look for is not empty, and a star stands only at its start or end";
        let pattern = Pattern::new(text).ok_or_else(|| self.lexer.error(first.start, misplaced))?;
        self.terms.search(pattern).map(Node::Term)
    }

    fn count(&mut self) -> Result<(), FilterError> {
        if self.count == T::MAX {
            return Err(FilterError::TooMany { max: T::MAX });
        }
        self.count += 1;
        Ok(())
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
}
