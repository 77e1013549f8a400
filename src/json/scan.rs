//! A strict, non-allocating cursor over JSON text.
//!
//! Why not serde_json: with `arbitrary_precision` it allocates for every number, it tells no byte positions
//! (needed to cut members out of a body), it treats two private keys as something else than keys, and its
//! skipping parser is laxer than its DOM. The cursor accepts RFC 8259 and nothing more; a property test in
//! `body` holds it against `serde_json::Value`.
//!
//! The caller drives it and recurses itself; `object` and `array` count the depth, so that no input can
//! exhaust the stack.

use std::borrow::Cow;

/// Objects and arrays inside each other, the outermost included. serde_json gives up at 128.
pub const MAX_DEPTH: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("is not JSON: {what} at byte {at}")]
    Syntax { what: &'static str, at: usize },
    #[error("is nested more than {MAX_DEPTH} levels deep at byte {at}")]
    TooDeep { at: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    /// With its article, for messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        }
    }
}

/// A string as it stands between its quotes; its escapes are already known to be valid.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    pub fn decode(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// Skips whitespace and looks at what comes next, without consuming it.
    #[inline]
    pub fn kind(&mut self) -> Result<Kind, ScanError> {
        self.space();
        match self.peek() {
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.syntax("expected a value")),
            None => Err(self.syntax("it ends where a value should be")),
        }
    }

    /// Reads an object. `member` gets the key, the byte where the key starts, and must consume the value.
    #[inline]
    pub fn object<E: From<ScanError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{', "expected an object")?;
        self.space();
        if self.eat(b'}') {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at;
            let key = self.string()?;
            self.space();
            self.expect(b':', "expected ':' after a key")?;
            self.space();
            member(self, key, start)?;
            self.space();
            if !self.eat(b',') {
                self.expect(b'}', "expected ',' or '}'")?;
                self.depth -= 1;
                return Ok(());
            }
        }
    }

    /// Reads an array. `item` gets the index and must consume the value.
    #[inline]
    pub fn array<E: From<ScanError>>(
        &mut self,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[', "expected an array")?;
        self.space();
        if self.eat(b']') {
            self.depth -= 1;
            return Ok(());
        }
        for index in 0.. {
            item(self, index)?;
            self.space();
            if !self.eat(b',') {
                break;
            }
        }
        self.expect(b']', "expected ',' or ']'")?;
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>, ScanError> {
        self.expect(b'"', "expected a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.rest());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.syntax("control character in a string")),
                None => return Err(self.syntax("unterminated string")),
            }
        }
        let raw = self.since(start);
        self.at += 1;
        Ok(Text { raw, escaped })
    }

    /// Reads a number and returns its text: what it means is the caller's business.
    #[inline]
    pub fn number(&mut self) -> Result<&'a str, ScanError> {
        let start = self.at;
        self.eat(b'-');
        // After a leading zero no digit may follow: it is then an unexpected character for the caller.
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(self.since(start))
    }

    pub fn boolean(&mut self) -> Result<bool, ScanError> {
        if self.peek() == Some(b't') { self.word("true").map(|()| true) } else { self.word("false").map(|()| false) }
    }

    pub fn null(&mut self) -> Result<(), ScanError> {
        self.word("null")
    }

    /// Passes over any value.
    pub fn skip(&mut self) -> Result<(), ScanError> {
        match self.kind()? {
            Kind::Object => self.object(|cursor, _, _| cursor.skip()),
            Kind::Array => self.array(|cursor, _| cursor.skip()),
            _ => self.skip_scalar(),
        }
    }

    /// What a value is that should be another one, with its article. It is passed over first: a letter alone does not
    /// tell, for what begins with `n` may be no JSON at all.
    pub fn found(&mut self) -> Result<&'static str, ScanError> {
        let kind = self.kind()?;
        self.skip()?;
        Ok(kind.name())
    }

    /// Passes over a value that is neither object nor array.
    #[inline]
    pub fn skip_scalar(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    /// Nothing but whitespace may follow.
    pub fn finish(&mut self) -> Result<(), ScanError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.syntax("trailing characters")) }
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn open(&mut self, bracket: u8, what: &'static str) -> Result<(), ScanError> {
        self.expect(bracket, what)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(ScanError::TooDeep { at: self.at - 1 }) } else { Ok(()) }
    }

    /// At a backslash: passes over the escape, a surrogate pair as one.
    fn escape(&mut self) -> Result<(), ScanError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let unit = self.hex()?;
                if (0xDC00..0xE000).contains(&unit) {
                    return Err(self.syntax("lone surrogate in a string"));
                }
                if (0xD800..0xDC00).contains(&unit) {
                    let paired = self.eat(b'\\') && self.peek() == Some(b'u');
                    if !paired || !(0xDC00..0xE000).contains(&self.hex()?) {
                        return Err(self.syntax("lone surrogate in a string"));
                    }
                }
            }
            _ => return Err(self.syntax("unknown escape in a string")),
        }
        Ok(())
    }

    /// At the `u` of an escape.
    fn hex(&mut self) -> Result<u32, ScanError> {
        let digits = self.rest().get(1..5).ok_or_else(|| self.syntax("unterminated escape"))?;
        let mut unit = 0;
        for &digit in digits {
            let value = (digit as char).to_digit(16).ok_or_else(|| self.syntax("bad \\u escape in a string"))?;
            unit = unit << 4 | value;
        }
        self.at += 5;
        Ok(unit)
    }

    #[inline]
    fn digits(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax("expected a digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Result<(), ScanError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.syntax("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ScanError> {
        if self.eat(byte) { Ok(()) } else { Err(self.syntax(what)) }
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Callers only cut at ASCII bytes, which are character boundaries.
    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[cold]
    fn syntax(&self, what: &'static str) -> ScanError {
        ScanError::Syntax { what, at: self.at }
    }
}

/// How many bytes precede the first quote, backslash or control character; eight at a time, because most
/// of a document is strings.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zero = |x: u64| x.wrapping_sub(ONES) & !x;
        let hits =
            (zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C)) | (word.wrapping_sub(ONES * 0x20) & !word)) & HIGH;
        if hits != 0 {
            // A borrow can only mark bytes above a true hit: the lowest mark is right.
            return i * 8 + (hits.trailing_zeros() / 8) as usize;
        }
    }
    let stop = tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1F));
    words.len() * 8 + stop.unwrap_or(tail.len())
}

/// `raw` has been scanned, so malformed escapes cannot occur; they would be left out.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let unit = |from: usize| escape.get(from..from + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                let pair = [unit(1).unwrap_or_default(), unit(7).unwrap_or_default()];
                let length = if (0xD800..0xDC00).contains(&pair[0]) { 2 } else { 1 };
                out.extend(char::decode_utf16(pair.into_iter().take(length)).filter_map(Result::ok));
                rest = escape.get(6 * length - 1..).unwrap_or_default();
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.number().is_ok() && cursor.finish().is_ok()
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for good in
            ["0", "-0", "10", "1.0", "0.5e+7", "1E-2", "1e-05", "0.05", "-12.25", "1e999", "100000000000000000000"]
        {
            assert!(number(good), "{good}");
        }
        for bad in ["", "-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "0x1", "1_0", "NaN", "Infinity", "--1"] {
            assert!(!number(bad), "{bad}");
        }
    }

    #[test]
    fn plain_runs_end_at_the_first_special_byte() {
        for stop in [b'"', b'\\', 0, 0x1F] {
            for length in 0..40 {
                let mut bytes = vec![b'a'; length];
                bytes.push(stop);
                bytes.extend_from_slice(b"\x01\"\\ tail of some length");
                assert_eq!(plain_run(&bytes), length);
            }
        }
        assert_eq!(plain_run("\u{7f}äöü€𝄞 !#[]~ äöü€𝄞".as_bytes()), "\u{7f}äöü€𝄞 !#[]~ äöü€𝄞".len());
    }

    proptest! {
        #[test]
        fn a_string_decodes_as_serde_json_does(text in ".*", raw in r#""([ -!#-\[\]-~]|\\[\\"/bfnrtux]|\\u[dD][89a-fA-F][0-9]{2}|\\u[0-9a-f]{4}){0,12}""#) {
            for json in [serde_json::to_string(&text).unwrap(), raw] {
                let mut cursor = Cursor::new(&json);
                let ours = cursor.string().and_then(|t| cursor.finish().map(|()| t.decode().into_owned()));
                prop_assert_eq!(ours.ok(), serde_json::from_str::<String>(&json).ok(), "{}", json);
            }
        }
    }
}
