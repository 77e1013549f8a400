//! JSON Pointer (RFC 6901).

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Where in a document; the root is the empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

/// Why a text is not a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum PointerError {
    #[error("is neither empty nor does it begin with '/'")]
    NoSlash,
    #[error("has a '~' that is neither ~0 nor ~1")]
    BadEscape,
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let tokens = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        tokens.split('/').map(unescape).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Pointer {
    /// Cut to a length that fits a message; never used to build a pointer again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 256;
        if self.0.is_empty() {
            return f.write_str("the root");
        }
        let text: String =
            self.0.iter().flat_map(|token| ["/".into(), token.replace('~', "~0").replace('/', "~1")]).collect();
        match text.char_indices().nth(LONGEST) {
            Some((cut, _)) => write!(f, "{}…", text.get(..cut).unwrap_or_default()),
            None => f.write_str(&text),
        }
    }
}

impl Pointer {
    #[cfg(test)]
    pub(super) fn from_tokens(tokens: &[String]) -> Self {
        Self(tokens.to_vec())
    }

    /// Whether it points at the whole document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    pub(super) fn split_last(&self) -> Option<(Tokens<'_>, &str)> {
        self.0.split_last().map(|(last, parent)| (Tokens(parent), last.as_str()))
    }

    pub(super) fn is_ancestor_of(&self, other: &Self) -> bool {
        self.0.len() < other.0.len() && other.0.starts_with(&self.0)
    }

    pub(super) fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(document, |value, token| match value {
            Value::Object(members) => members.get(token),
            Value::Array(items) => items.get(index(token)?),
            _ => None,
        })
    }

    pub(super) fn find_mut<'v>(&self, document: &'v mut Value) -> Option<&'v mut Value> {
        Tokens(&self.0).find_mut(document)
    }
}

/// A pointer's tokens without the last.
#[derive(Clone, Copy)]
pub(super) struct Tokens<'a>(&'a [String]);

impl Tokens<'_> {
    pub(super) fn find_mut(self, document: &mut Value) -> Option<&mut Value> {
        self.0.iter().try_fold(document, |value, token| match value {
            Value::Object(members) => members.get_mut(token),
            Value::Array(items) => items.get_mut(index(token)?),
            _ => None,
        })
    }
}

/// Decimal digits without leading zeros, nothing else (`parse` alone would take `+1`).
pub(super) fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    (canonical && token.bytes().all(|b| b.is_ascii_digit())).then(|| token.parse().ok()).flatten()
}

fn unescape(token: &str) -> Result<String, PointerError> {
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(PointerError::BadEscape),
            },
            c => c,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointer(text: &str) -> Pointer {
        text.parse().unwrap()
    }

    #[test]
    fn the_examples_of_the_rfc_resolve() {
        let document = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "~1": 9});
        for (text, value) in
            [("/foo/0", json!("bar")), ("/", json!(0)), ("/a~1b", json!(1)), ("/m~0n", json!(8)), ("/~01", json!(9))]
        {
            assert_eq!(pointer(text).find(&document), Some(&value), "{text}");
        }
        assert_eq!(pointer("").find(&document), Some(&document));
    }

    #[test]
    fn malformed_pointers_are_refused() {
        for (text, error) in [
            ("foo", PointerError::NoSlash),
            ("#/a", PointerError::NoSlash),
            ("/~", PointerError::BadEscape),
            ("/~2", PointerError::BadEscape),
        ] {
            assert_eq!(text.parse::<Pointer>(), Err(error), "{text}");
        }
    }

    #[test]
    fn indices_are_canonical() {
        assert_eq!((index("0"), index("10")), (Some(0), Some(10)));
        for bad in ["", "-", "-1", "+1", "00", "01", "1.0", "1e0", "٣", "99999999999999999999999"] {
            assert_eq!(index(bad), None, "{bad}");
        }
    }

    #[test]
    fn messages_show_a_pointer_cut_to_length() {
        assert_eq!(pointer("/a~1b/~0").to_string(), "/a~1b/~0");
        assert!(pointer(&format!("/{}", "é".repeat(5000))).to_string().len() < 600);
    }
}
