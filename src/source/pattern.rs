//! Which objects below a location a source takes: a glob over the path relative to it.
//!
//! `*` and `?` do not cross a `/`; `**` as a whole segment does; `[a-z]` and `{a,b}` work as usual; a slash at the
//! end means everything below. Case counts. There is no escape character: a literal `*` is `[*]`.
//! The matching works on bytes, so `?` and `[ä]` see the bytes of a letter outside ASCII; `*` and `{ä,ö}` are right.

use std::{fmt, str::FromStr};

use globset::{GlobBuilder, GlobSet};

/// The longest pattern, in bytes. Time to match is linear in pattern and path, whatever the pattern says.
pub const MAX_PATTERN_BYTES: usize = 512;

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum PatternError {
    #[error("is empty; leave it out to take every object")]
    Empty,
    #[error("has {length} bytes, more than {MAX_PATTERN_BYTES}")]
    TooLong { length: usize },
    #[error("begins with a slash; it is relative to the location")]
    Absolute,
    #[error("has the segment {0:?}, which no object's path has")]
    Segment(String),
    #[error("has the character {0:?}")]
    Character(char),
    #[error("is not a glob: {0}")]
    Glob(String),
}

/// A glob over relative paths of objects. Two are equal if their texts are.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// A set of one: building a set can fail, where a lone glob panics on too many nested braces.
    matcher: GlobSet,
}

impl Pattern {
    /// Whether it matches the whole path of an object, relative to the location.
    #[must_use]
    pub fn matches(&self, relative: &str) -> bool {
        self.matcher.is_match(relative)
    }

    /// The leading directories that every match shares, so that a listing can start there. Empty, or ends with `/`.
    #[must_use]
    pub fn directory(&self) -> &str {
        let literal = self.text.find(['*', '?', '[', '{']).unwrap_or(self.text.len());
        let end = self.text.get(..literal).and_then(|text| text.rfind('/')).map_or(0, |slash| slash + 1);
        self.text.get(..end).unwrap_or_default()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong { length: text.len() });
        }
        if let Some(character) = text.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(PatternError::Character(character));
        }
        if text.starts_with('/') {
            return Err(PatternError::Absolute);
        }
        let segments = text.strip_suffix('/').unwrap_or(text);
        if let Some(segment) = segments.split('/').find(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(PatternError::Segment(segment.to_owned()));
        }
        let everything_below = if text.ends_with('/') { "**" } else { "" };
        let matcher = GlobBuilder::new(&format!("{text}{everything_below}"))
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .and_then(|glob| GlobSet::new([glob]))
            .map_err(|error| PatternError::Glob(error.kind().to_string()))?;
        Ok(Self { text: text.to_owned(), matcher })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn globs_match_whole_relative_paths() {
        for (text, good, bad) in [
            ("*.json", &["a.json", ".json", "ä.json"][..], &["x/a.json", "a.json.gz", "a.JSON"][..]),
            ("**/*.json", &["a.json", "x/a.json", "x/y/a.json"], &["a.csv"]),
            ("2024/", &["2024/a", "2024/x/a"], &["2024", "20245/a", "x/2024/a"]),
            ("2024/**", &["2024/a", "2024/x/a"], &["2024", "2025/a"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]),
            (
                "20??/[0-9]*.{csv,csv.gz}",
                &["2024/1.csv", "2024/1x.csv.gz"],
                &["2024/x.csv", "2024/1/1.csv", "20/4/1.csv"],
            ),
            ("a[*]b", &["a*b"], &["axb"]),
            ("{ä,ö}?", &["äx", "öx"], &["üx", "ää"]),
            ("a.b", &["a.b"], &["axb", "a.b/c", "x/a.b"]),
        ] {
            let pattern = pattern(text);
            for path in good {
                assert!(pattern.matches(path), "{text} {path}");
            }
            for path in bad {
                assert!(!pattern.matches(path), "{text} {path}");
            }
        }
    }

    #[test]
    fn what_cannot_match_is_refused() {
        use PatternError as E;
        let parse = |text: &str| text.parse::<Pattern>();
        assert_eq!(parse(""), Err(E::Empty));
        assert_eq!(parse(&"a".repeat(513)), Err(E::TooLong { length: 513 }));
        assert!(parse(&"a".repeat(512)).is_ok());
        assert_eq!(parse("/a"), Err(E::Absolute));
        for (text, segment) in [("a//b", ""), ("../a", ".."), ("a/./b", "."), ("a/..", ".."), ("a//", "")] {
            assert_eq!(parse(text), Err(E::Segment(segment.into())), "{text}");
        }
        assert_eq!(parse("a\\*"), Err(E::Character('\\')));
        assert_eq!(parse("a\n"), Err(E::Character('\n')));
        for text in ["{a,b", "a}", "[a", "[z-a]"] {
            assert!(matches!(parse(text), Err(E::Glob(_))), "{text}");
        }
    }

    #[test]
    fn nesting_and_stars_are_harmless() {
        let nested = format!("{}a,b{}", "{".repeat(250), "}".repeat(250));
        assert!(matches!(nested.parse::<Pattern>(), Err(PatternError::Glob(_))));
        let stars = pattern(&"*a".repeat(256));
        assert!(!stars.matches(&"a".repeat(1024)[..1023].replace("aaa", "aab")));
        assert!(!pattern(&"{*a,**/b}".repeat(50)).matches(&"ab/".repeat(300)));
    }

    #[test]
    fn a_listing_starts_where_the_pattern_is_literal() {
        for (text, directory) in [
            ("*.json", ""),
            ("2024/01/*.json", "2024/01/"),
            ("2024/0?/*.json", "2024/"),
            ("2024/", "2024/"),
            ("a/b.json", "a/"),
            ("a/{b/c,d}/e", "a/"),
            ("a[/]b", ""),
        ] {
            assert_eq!(pattern(text).directory(), directory, "{text}");
        }
    }

    proptest! {
        #[test]
        fn matches_lie_in_the_directory(text in "([ab*?]{1,3}/){0,3}([ab*]|\\{a,b\\}|\\[ab\\]|\\*\\*/){1,3}", path in "([ab]{1,2}/){0,3}[ab]{1,2}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert!(!pattern.matches(&path) || path.starts_with(pattern.directory()), "{} {}", text, path);
                prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
            }
        }

        #[test]
        fn foreign_text_never_panics(text in "([*?\\[\\]{},!^a/-]|\\PC){0,40}", path in "\\PC{0,20}") {
            let _ = text.parse::<Pattern>().map(|pattern| pattern.matches(&path));
        }
    }
}
