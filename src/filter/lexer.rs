//! Splits a filter into tokens, one at a time.

use super::{FilterError, Literal, Operator, Relation, shown};

/// A piece of the filter and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned {
    pub token: Token,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Word(Literal),
    Quoted(Literal),
    Operator(Operator),
    And,
    Or,
    Not,
    /// `-` in front of a term.
    Minus,
    Open,
    Close,
    Comma,
    End,
}

pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// A value comes, whose `-` is a sign.
    after_operator: bool,
}

impl<'a> Lexer<'a> {
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0, after_operator: false }
    }

    /// The next token; [`Token::End`] for ever behind the last one.
    pub fn advance(&mut self) -> Result<Spanned, FilterError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
        let start = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some('(') => self.single(Token::Open),
            Some(')') => self.single(Token::Close),
            Some(',') => self.single(Token::Comma),
            Some('-') if !self.after_operator => self.single(Token::Minus),
            Some(quote @ ('"' | '\'')) => Token::Quoted(self.quoted(quote)?),
            Some('=' | '!' | '<' | '>' | ':') => Token::Operator(self.operator()?),
            Some(c) if is_word(c) => self.word(),
            Some(c) => {
                return Err(self.error(start, format!("`{}` is only allowed in quotes", shown(&c.to_string()))));
            }
        };
        self.after_operator = matches!(token, Token::Operator(_));
        Ok(Spanned { token, start, end: self.at })
    }

    /// The character position of a byte of the text, from 1, as people count.
    pub fn position(&self, byte: usize) -> usize {
        self.text.char_indices().take_while(|(at, _)| *at < byte).count() + 1
    }

    pub fn error(&self, byte: usize, why: impl Into<String>) -> FilterError {
        FilterError::Syntax { at: self.position(byte), why: why.into() }
    }

    /// What was written there, for a message.
    pub fn shown(&self, spanned: &Spanned) -> String {
        let text = self.text.get(spanned.start..spanned.end).unwrap_or_default();
        if text.is_empty() { "the end".into() } else { format!("`{}`", shown(text)) }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn single(&mut self, token: Token) -> Token {
        self.bump();
        token
    }

    fn operator(&mut self) -> Result<Operator, FilterError> {
        let start = self.at;
        let first = self.bump();
        let equal = first != Some(':') && self.eat('=');
        Ok(match (first, equal) {
            (Some(':'), _) => Operator::Has,
            (Some('='), false) => Operator::Relation(Relation::Equal),
            (Some('!'), true) => Operator::Relation(Relation::NotEqual),
            (Some('<'), false) => Operator::Relation(Relation::Less),
            (Some('<'), true) => Operator::Relation(Relation::LessOrEqual),
            (Some('>'), false) => Operator::Relation(Relation::Greater),
            (Some('>'), true) => Operator::Relation(Relation::GreaterOrEqual),
            (Some('='), true) => return Err(self.error(start, "write `=`, not `==`")),
            _ => return Err(self.error(start, "`!` stands only in `!=`")),
        })
    }

    fn word(&mut self) -> Token {
        let mut literal = Literal::default();
        while let Some(c) = self.peek().filter(|c| is_word(*c) || (*c == ':' && is_date(&literal.text))) {
            literal.push(c);
            self.bump();
        }
        match literal.text.as_str() {
            "AND" => Token::And,
            "OR" => Token::Or,
            "NOT" => Token::Not,
            _ => Token::Word(literal),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Literal, FilterError> {
        let start = self.at;
        self.bump();
        let mut literal = Literal::default();
        loop {
            let at = self.at;
            match self.bump() {
                None => return Err(self.error(start, format!("the closing {quote} is missing"))),
                Some(c) if c == quote => return Ok(literal),
                Some('\\') => match self.escaped() {
                    Some(c) => literal.text.push(c),
                    None => return Err(self.error(at, ESCAPES)),
                },
                Some(c) => literal.push(c),
            }
        }
    }

    /// What a backslash in quotes and the letters behind it stand for.
    fn escaped(&mut self) -> Option<char> {
        Some(match self.bump()? {
            c @ ('"' | '\'' | '\\' | '*') => c,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{C}',
            'x' => self.code_point(2)?,
            'u' => self.code_point(4)?,
            'U' => self.code_point(8)?,
            _ => return None,
        })
    }

    fn code_point(&mut self, digits: usize) -> Option<char> {
        let mut code = 0;
        for _ in 0..digits {
            code = code << 4 | self.bump()?.to_digit(16)?;
        }
        char::from_u32(code)
    }
}

const ESCAPES: &str = r#"a backslash in quotes stands only in \" \' \\ \* \n \r \t \b \f \xHH \uHHHH \UHHHHHHHH"#;

/// The beginning of a time, which may stand without quotes: behind it a colon is no operator.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 10
        && bytes.iter().take(11).enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => matches!(byte, b'T' | b't'),
            _ => byte.is_ascii_digit(),
        })
}

/// What needs no quotes: anything without a meaning of its own.
fn is_word(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"\"'\\=!<>:(),".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(text: &str) -> Result<Vec<Token>, FilterError> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            match lexer.advance()?.token {
                Token::End => return Ok(tokens),
                token => tokens.push(token),
            }
        }
    }

    fn literal(text: &str, stars: &[usize]) -> Literal {
        Literal { text: text.into(), stars: stars.into() }
    }

    #[test]
    fn operators_need_no_spaces() {
        let texts = ["=", "!=", "<", "<=", ">", ">=", ":"];
        for text in texts {
            let tokens = lex(&format!("a{text}b")).unwrap();
            let [Token::Word(_), Token::Operator(operator), Token::Word(_)] = &tokens[..] else { panic!("{tokens:?}") };
            assert_eq!(operator.text(), text);
        }
    }

    #[test]
    fn only_bare_stars_are_wildcards() {
        assert_eq!(lex("*a*").unwrap(), [Token::Word(literal("*a*", &[0, 2]))]);
        assert_eq!(lex(r"'\*é*'").unwrap(), [Token::Quoted(literal("*é*", &[3]))]);
        assert!(literal("*", &[0]).is_star() && !literal("*", &[]).is_star());
    }

    #[test]
    fn escapes_in_quotes_are_those_of_json_and_more() {
        let text = r#"'\n\r\t\b\f\x41\u00e9\U0001F600\\\'\"\*'"#;
        assert_eq!(lex(text).unwrap(), [Token::Quoted(literal("\n\r\t\u{8}\u{C}Aé😀\\'\"*", &[]))]);
    }

    #[test]
    fn a_minus_is_a_sign_only_behind_an_operator() {
        assert_eq!(lex("-5").unwrap(), [Token::Minus, Token::Word(literal("5", &[]))]);
        assert_eq!(lex("= -5").unwrap().last(), Some(&Token::Word(literal("-5", &[]))));
        assert_eq!(lex("a-b").unwrap(), [Token::Word(literal("a-b", &[]))]);
    }

    #[test]
    fn a_time_needs_no_quotes() {
        for time in ["2026-01-01T00:00:00Z", "2026-01-01t00:00:00.5+01:00"] {
            assert_eq!(lex(&format!("a>{time}")).unwrap().last(), Some(&Token::Word(literal(time, &[]))));
        }
        for text in ["2026-01-01:5", "2026-01-0xT:5", "a:2026", "2026-01T:1"] {
            assert!(lex(text).unwrap().contains(&Token::Operator(Operator::Has)), "{text}");
        }
    }

    #[test]
    fn keywords_are_written_in_capitals() {
        assert_eq!(lex("AND OR NOT (").unwrap(), [Token::And, Token::Or, Token::Not, Token::Open]);
        assert_eq!(lex("and").unwrap(), [Token::Word(literal("and", &[]))]);
    }

    #[test]
    fn faults_are_placed_by_character() {
        let at = |text| match lex(text) {
            Err(FilterError::Syntax { at, .. }) => at,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(at("é ! b"), 3);
        assert_eq!(at("é == b"), 3);
        assert_eq!(at("é = 'b"), 5);
        assert_eq!(at(r"é = 'b\q'"), 7);
        assert_eq!(at(r"é = 'b\ud800'"), 7);
        assert_eq!(at(r"é = 'b\x4'"), 7);
        assert_eq!(at(r"é = 'b\UFFFFFFFF'"), 7);
        assert_eq!(at(r"a\"), 2);
        assert_eq!(at("\0"), 1);
    }
}
