//! Page tokens (L3, L5): base64url of a version byte, 8 bytes of what the token
//! is bound to, the cursor, and 8 bytes of checksum over all of that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

const VERSION: u8 = 1;
const CHECKSUM_SEED: u64 = u64::from_be_bytes(*b"pagetokn");
const BOUND_SEED: u64 = u64::from_be_bytes(*b"pagebind");
const MAX_TEXT: usize = 4096;

/// Where to go on, for a client to hand back. Opaque to clients by promise only:
/// check every access as if there were no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken {
    /// [`Bound::finish`] over the arguments that must not change.
    pub bound: u64,
    /// Whatever the method needs to go on.
    pub cursor: Vec<u8>,
}

/// Why a token cannot be used. Either way, start again without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this service, or damaged on the way.
    #[error("page token is malformed: send back the last next_page_token unchanged, or start again without one")]
    Malformed,
    /// A token of another request.
    #[error(
        "page token belongs to a request with other arguments: only page_size may change between pages; start again without a token"
    )]
    Mismatch,
}

impl PageToken {
    /// The text for a client. Keep cursors below 3,000 bytes: longer ones make
    /// tokens that [`PageToken::decode`] refuses.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.bound.to_be_bytes());
        bytes.extend_from_slice(&self.cursor);
        let text = seal(bytes);
        debug_assert!(text.len() <= MAX_TEXT, "cursor too long: {}", self.cursor.len());
        text
    }

    /// The cursor of a token for a request with this bound. The empty text is
    /// the first page and not a token: ask for it before.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] or [`TokenError::Mismatch`].
    pub fn decode(text: &str, expected_bound: u64) -> Result<Vec<u8>, TokenError> {
        let Self { bound, cursor } = Self::read(text).ok_or(TokenError::Malformed)?;
        if bound == expected_bound { Ok(cursor) } else { Err(TokenError::Mismatch) }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, checksum) = bytes.split_last_chunk()?;
        if xxh3_64_with_seed(body, CHECKSUM_SEED) != u64::from_be_bytes(*checksum) {
            return None;
        }
        let (&VERSION, rest) = body.split_first()? else {
            return None;
        };
        let (bound, cursor) = rest.split_first_chunk()?;
        Some(Self { bound: u64::from_be_bytes(*bound), cursor: cursor.to_vec() })
    }
}

/// The text of these bytes, with their checksum: anybody can make one.
pub(crate) fn seal(mut bytes: Vec<u8>) -> String {
    let checksum = xxh3_64_with_seed(&bytes, CHECKSUM_SEED);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Hashes the arguments that a token is bound to: all but `page_size` and
/// `page_token`, and the uid of what is listed, so that a parent recreated under
/// its old name is another one. Each part goes in with a tag and its length, so
/// that no two lists of parts make the same bytes.
///
/// Parts are told apart by position: give a method's in one fixed order, unset
/// ones too.
pub struct Bound(Xxh3);

impl Bound {
    /// Begins with what no other kind of token has, such as the method's name.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self(Xxh3::with_seed(BOUND_SEED)).part(b'd', domain.as_bytes())
    }

    /// Adds a string.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.part(b't', text.as_bytes())
    }

    /// Adds bytes, such as a uid's.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.part(b'b', bytes)
    }

    /// Adds a number, an enum or a time.
    #[must_use]
    pub fn number(self, number: i64) -> Self {
        self.part(b'n', &number.to_be_bytes())
    }

    /// Adds a switch.
    #[must_use]
    pub fn flag(self, flag: bool) -> Self {
        self.part(b'f', &[u8::from(flag)])
    }

    /// Adds that an optional argument was not given.
    #[must_use]
    pub fn absent(self) -> Self {
        self.part(b'a', &[])
    }

    /// The hash for [`PageToken::bound`].
    #[must_use]
    pub fn finish(self) -> u64 {
        self.0.digest()
    }

    fn part(mut self, tag: u8, bytes: &[u8]) -> Self {
        self.0.update(&[tag]);
        // usize has at most 64 bits on every target there is.
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const GOLDEN_BOUND: u64 = 2_173_999_374_232_895_524;
    const GOLDEN_TOKEN: &str = "AQECAwQFBgcIY3Vyc29ys2WXbfYRlTg";

    fn token(bound: u64, cursor: &[u8]) -> String {
        PageToken { bound, cursor: cursor.to_vec() }.encode()
    }

    #[test]
    fn tokens_stay_valid_across_versions_of_the_program() {
        let bound = Bound::new("ListSnapshots")
            .text("workspaces/commons")
            .number(-1)
            .flag(true)
            .absent()
            .bytes(&[1, 2])
            .finish();
        assert_eq!(bound, GOLDEN_BOUND);
        assert_eq!(token(0x0102_0304_0506_0708, b"cursor"), GOLDEN_TOKEN);
        assert_eq!(PageToken::decode(GOLDEN_TOKEN, 0x0102_0304_0506_0708).unwrap(), b"cursor");
    }

    #[test]
    fn a_token_of_other_arguments_is_a_mismatch() {
        assert_eq!(PageToken::decode(&token(1, b"x"), 2), Err(TokenError::Mismatch));
    }

    #[test]
    fn other_texts_are_malformed() {
        let good = token(1, b"x");
        let mut other_version = vec![2, 0, 0, 0, 0, 0, 0, 0, 1, b'x'];
        let checksum = xxh3_64_with_seed(&other_version, CHECKSUM_SEED);
        other_version.extend(checksum.to_be_bytes());
        let bad = [
            String::new(),
            format!("{good}="),
            format!(" {good}"),
            "A".repeat(MAX_TEXT + 1),
            URL_SAFE_NO_PAD.encode(other_version),
            URL_SAFE_NO_PAD.encode(xxh3_64_with_seed(&[], CHECKSUM_SEED).to_be_bytes()),
        ];
        for text in bad {
            assert_eq!(PageToken::decode(&text, 1), Err(TokenError::Malformed), "{text}");
        }
    }

    #[test]
    fn the_documents_longest_id_fits() {
        assert!(PageToken::decode(&token(1, &[b'x'; 3000]), 1).is_ok());
    }

    #[test]
    fn lists_of_parts_are_told_apart() {
        let new = || Bound::new("List");
        let bounds = [
            new(),
            new().absent(),
            new().text(""),
            new().bytes(b""),
            new().text("").text(""),
            new().text("ab").text("c"),
            new().text("a").text("bc"),
            new().text("abc"),
            new().bytes(b"abc"),
            new().number(1),
            new().bytes(&1_i64.to_be_bytes()),
            new().flag(true),
            new().flag(false),
            Bound::new("Lis").text("t"),
        ];
        let count = bounds.len();
        assert_eq!(bounds.map(Bound::finish).into_iter().collect::<HashSet<_>>().len(), count);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bound in any::<u64>(), cursor in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(PageToken::decode(&token(bound, &cursor), bound), Ok(cursor));
        }

        #[test]
        fn any_text_is_refused(text in "\\PC*|[A-Za-z0-9_-]*", bound in any::<u64>()) {
            prop_assert_eq!(PageToken::decode(&text, bound), Err(TokenError::Malformed));
        }

        #[test]
        fn any_changed_character_is_noticed(cursor in prop::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>(), c in "[A-Za-z0-9_-]") {
            let good = token(1, &cursor);
            let at = at.index(good.len());
            let mut bad = good.clone();
            bad.replace_range(at..=at, &c);
            prop_assume!(bad != good);
            prop_assert_eq!(PageToken::decode(&bad, 1), Err(TokenError::Malformed));
        }
    }
}
