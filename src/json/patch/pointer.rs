//! JSON Pointer (RFC 6901).
//!
//! Kept as its text, so that one that waits takes no more than what was sent: as a list of
//! steps it would take many times its bytes.

use std::{borrow::Cow, fmt, str::FromStr};

use serde_json::Value;

use crate::json::body::MAX_DEPTH;

/// The most steps: there is nothing behind them in any document.
pub const MAX_POINTER_STEPS: usize = MAX_DEPTH;
/// The longest pointer, in bytes.
pub const MAX_POINTER_BYTES: usize = 4 << 10;

/// Where in a document; the root is the empty text. Each place has one text only, since
/// `~` and `/` have one escape each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Box<str>);

/// Why a text is not a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum PointerError {
    #[error("is neither empty nor does it begin with '/'")]
    NoSlash,
    #[error("has a '~' that is neither ~0 nor ~1")]
    BadEscape,
    #[error("has {length} bytes, more than {MAX_POINTER_BYTES}")]
    TooLong { length: usize },
    #[error("has {steps} steps, more than {MAX_POINTER_STEPS}")]
    TooManySteps { steps: usize },
}

impl FromStr for Pointer {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::NoSlash);
        }
        if text.len() > MAX_POINTER_BYTES {
            return Err(PointerError::TooLong { length: text.len() });
        }
        let steps = count_steps(text);
        if steps > MAX_POINTER_STEPS {
            return Err(PointerError::TooManySteps { steps });
        }
        let mut escapes = text.split('~').skip(1);
        if escapes.any(|rest| !rest.starts_with(['0', '1'])) {
            return Err(PointerError::BadEscape);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pointer {
    /// Cut to a length that fits a message; never used to build a pointer again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 256;
        match self.0.char_indices().nth(LONGEST) {
            _ if self.is_root() => f.write_str("the root"),
            Some((cut, _)) => write!(f, "{}…", self.0.get(..cut).unwrap_or_default()),
            None => f.write_str(&self.0),
        }
    }
}

impl Pointer {
    #[cfg(test)]
    pub(super) fn from_tokens(tokens: &[String]) -> Self {
        let escaped = tokens.iter().map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1")));
        Self(escaped.collect::<String>().into())
    }

    /// Whether it points at the whole document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of its text.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// How many steps it has.
    pub(super) fn len(&self) -> usize {
        count_steps(&self.0)
    }

    pub(super) fn first(&self) -> Option<Cow<'_, str>> {
        Tokens(&self.0).iter().next()
    }

    pub(super) fn split_last(&self) -> Option<(Tokens<'_>, Cow<'_, str>)> {
        self.0.rsplit_once('/').map(|(parent, last)| (Tokens(parent), unescape(last)))
    }

    pub(super) fn is_ancestor_of(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|below| below.starts_with('/'))
    }

    pub(super) fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        Tokens(&self.0).iter().try_fold(document, |value, token| match value {
            Value::Object(members) => members.get(&*token),
            Value::Array(items) => items.get(index(&token)?),
            _ => None,
        })
    }

    pub(super) fn find_mut<'v>(&self, document: &'v mut Value) -> Option<&'v mut Value> {
        Tokens(&self.0).find_mut(document)
    }
}

/// The text of a pointer, or of one without its last step.
#[derive(Clone, Copy)]
pub(super) struct Tokens<'a>(&'a str);

impl<'a> Tokens<'a> {
    fn iter(self) -> impl Iterator<Item = Cow<'a, str>> {
        self.0.split('/').skip(1).map(unescape)
    }

    pub(super) fn find_mut(self, document: &mut Value) -> Option<&mut Value> {
        self.iter().try_fold(document, |value, token| match value {
            Value::Object(members) => members.get_mut(&*token),
            Value::Array(items) => items.get_mut(index(&token)?),
            _ => None,
        })
    }
}

fn count_steps(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'/').count()
}

/// Decimal digits without leading zeros, nothing else (`parse` alone would take `+1`).
pub(super) fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    (canonical && token.bytes().all(|b| b.is_ascii_digit())).then(|| token.parse().ok()).flatten()
}

/// A step whose escapes are known to be good.
fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~").into() } else { token.into() }
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
        let document = json!({"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "~1": 9, "~01": 10});
        for (text, value) in [
            ("/foo/0", json!("bar")),
            ("/", json!(0)),
            ("/a~1b", json!(1)),
            ("/m~0n", json!(8)),
            ("/~01", json!(9)),
            ("/~001", json!(10)),
        ] {
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
            ("/~/0", PointerError::BadEscape),
            ("/~~0", PointerError::BadEscape),
        ] {
            assert_eq!(text.parse::<Pointer>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_pointer_has_a_hundred_steps_and_4_kib_at_most() {
        assert_eq!(pointer(&"/".repeat(100)).len(), 100);
        assert_eq!("/".repeat(101).parse::<Pointer>(), Err(PointerError::TooManySteps { steps: 101 }));
        assert_eq!(pointer(&format!("/{}", "x".repeat(4095))).bytes(), 4096);
        let long = format!("/{}", "x".repeat(4096));
        assert_eq!(long.parse::<Pointer>(), Err(PointerError::TooLong { length: 4097 }));
        assert_eq!("/".repeat(10 << 20).parse::<Pointer>(), Err(PointerError::TooLong { length: 10 << 20 }));
    }

    #[test]
    fn only_what_lies_below_has_an_ancestor() {
        for (above, below, is_so) in [
            ("", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/a/", true),
            ("/a", "/a", false),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
            ("", "", false),
        ] {
            assert_eq!(pointer(above).is_ancestor_of(&pointer(below)), is_so, "{above} {below}");
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
        assert_eq!(pointer("").to_string(), "the root");
        let shown = pointer(&format!("/{}", "é".repeat(2000))).to_string();
        assert_eq!(shown, format!("/{}…", "é".repeat(255)));
    }
}
