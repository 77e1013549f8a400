//! Filters: the part of AIP-160 that the contract promises, comparisons joined
//! by AND. All of it is checked while parsing, so matching cannot fail.
//!
//! Where AIP-160 leaves the choice: an unset field matches only `!=`; `!=` is
//! the exact opposite of `=`, wildcards included; `field:*` asks whether the
//! field is set; a star in quotes is written `\*` when it is not a wildcard.

mod check;
mod lexer;
mod parser;

use std::cmp::Ordering;

use super::error::ListingError;
use super::listed::{Listed, Value};

/// A parsed filter. The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    comparisons: Vec<Comparison>,
}

impl Filter {
    /// The longest text that is read, in bytes.
    pub const MAX_BYTES: usize = 4096;
    /// The most comparisons that are evaluated for each item.
    pub const MAX_COMPARISONS: usize = 32;

    /// Reads a filter over the fields of `T`.
    ///
    /// # Errors
    /// [`ListingError::Filter`] when the text is not a filter over `T::FIELDS`.
    pub fn parse<T: Listed>(text: &str) -> Result<Self, ListingError> {
        let comparisons = parser::parse(text, T::FIELDS)?;
        Ok(Self { comparisons })
    }

    /// Whether the item passes. `T` must be the type that the filter was parsed for.
    pub fn matches<T: Listed>(&self, item: &T) -> bool {
        self.comparisons.iter().all(|comparison| comparison.accepts(item))
    }
}

/// `field op value`, checked against the field's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    subject: Subject,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Field(&'static str),
    Label(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Present,
    Contains(String),
    Like { pattern: Pattern, negated: bool },
    Compare(Relation, Value<'static>),
}

/// Text that may go on at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    text: String,
    open_start: bool,
    open_end: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn accepts<T: Listed>(&self, item: &T) -> bool {
        match &self.subject {
            Subject::Field(field) => self.test.accepts(&item.value(field)),
            Subject::Label(key) => {
                let value = item.label(key).map_or(Value::Absent, |text| Value::Text(text.into()));
                self.test.accepts(&value)
            }
        }
    }
}

impl Test {
    fn accepts(&self, value: &Value<'_>) -> bool {
        if *value == Value::Absent {
            return matches!(self, Self::Compare(Relation::NotEqual, _) | Self::Like { negated: true, .. });
        }
        match self {
            Self::Present => true,
            Self::Contains(part) => value.text().is_some_and(|text| text.contains(part)),
            Self::Like { pattern, negated } => value.text().is_some_and(|text| pattern.matches(text) != *negated),
            Self::Compare(relation, operand) => relation.holds(value.compare(operand)),
        }
    }
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        match (self.open_start, self.open_end) {
            (true, true) => text.contains(&self.text),
            (true, false) => text.ends_with(&self.text),
            (false, true) => text.starts_with(&self.text),
            (false, false) => text == self.text,
        }
    }
}

impl Relation {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::fixture::Item;
    use proptest::prelude::*;

    fn item() -> Item {
        Item {
            name: "workspaces/commons/snapshots/nightly-1".into(),
            description: Some("5* \"hotel\" it's".into()),
            state: Some("CREATED"),
            size_bytes: -5,
            end_time: Some(1_767_225_600_000_001),
            labels: [("team", "search"), ("my key", ""), ("a.b/c", "1")].map(|(k, v)| (k.into(), v.into())).into(),
            ..Item::default()
        }
    }

    fn matches(text: &str, item: &Item) -> bool {
        Filter::parse::<Item>(text).unwrap_or_else(|e| panic!("{text}: {e}")).matches(item)
    }

    #[track_caller]
    fn all_match(texts: &[&str]) {
        for text in texts {
            assert!(matches(text, &item()), "{text}");
        }
    }

    #[track_caller]
    fn none_matches(texts: &[&str]) {
        for text in texts {
            assert!(!matches(text, &item()), "{text}");
        }
    }

    #[test]
    fn the_empty_filter_matches_everything() {
        all_match(&["", " \t\n"]);
    }

    #[test]
    fn text_compares_by_equality_order_and_substring() {
        all_match(&[
            "name = workspaces/commons/snapshots/nightly-1",
            "name='workspaces/commons/snapshots/nightly-1'",
            "name != x",
            "name > a AND name >= b AND name < x AND name <= y",
            "name:nightly",
            r#"description:"\"hotel\"""#,
            r"description:'it\'s'",
        ]);
        none_matches(&["name = nightly-1", "name:Nightly", "name < a", "name = a AND name:nightly"]);
    }

    #[test]
    fn wildcards_open_either_end_of_text() {
        all_match(&[
            "name = *nightly-1",
            "name = \"workspaces/commons/*\"",
            "name = *commons*",
            "name = *",
            "name != *nightly",
            r#"description = "5\**""#,
            r#"description:"5\*""#,
        ]);
        none_matches(&["name = commons*", "name != *nightly-1", r#"name = "\**""#]);
    }

    #[test]
    fn numbers_times_and_words_compare_by_value() {
        all_match(&[
            "size_bytes = -5 AND size_bytes > -6 AND size_bytes <= 0 AND size_bytes != 5",
            r#"end_time > "2026-01-01T00:00:00Z""#,
            r#"end_time = "2026-01-01T01:00:00.000001000+01:00""#,
            "state = CREATED AND state != REQUESTED AND state = 'CREATED'",
        ]);
        none_matches(&["size_bytes > 0", r#"end_time <= "2026-01-01T00:00:00Z""#, "state != CREATED"]);
    }

    #[test]
    fn labels_are_read_by_key() {
        all_match(&[
            "labels.team = search AND labels.team:ear AND labels.team = s*",
            r#"labels."my key" = "" AND labels:"my key" AND labels.'my key':*"#,
            "labels.a.b/c = 1 AND labels:a.b/c AND labels.\"a.b/c\" = '1'",
            "labels.none != x",
        ]);
        none_matches(&["labels.none = x", "labels:none", "labels.none:*", "labels.team != search", "labels.none = *"]);
    }

    #[test]
    fn an_absent_value_matches_only_unequal() {
        let unset = Item { name: "a".into(), ..Item::default() };
        let time = r#""2026-01-01T00:00:00Z""#;
        for text in ["description != x", "description != *", "state != CREATED", &format!("end_time != {time}")] {
            assert!(matches(text, &unset), "{text}");
        }
        for op in ["=", "<", "<=", ">", ">="] {
            assert!(!matches(&format!("end_time {op} {time}"), &unset), "{op}");
            assert!(!matches(&format!("description {op} x"), &unset), "{op}");
        }
        for text in ["description = *", "description:x", "description:*", "state:*", "end_time:*", "state = CREATED"] {
            assert!(!matches(text, &unset), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = Filter::parse::<Item>(&text).map(|filter| filter.matches(&item()));
        }

        #[test]
        fn any_tokens_are_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
            "name", "labels", "labels.", "labels.k", "state", "size_bytes", "end_time", "AND", "OR", "NOT", "(", ")",
            "-", "=", "!=", "!", "<", "<=", ">", ":", "*", "\\", "\"a\"", "\"", "'", "5", "CREATED", " ", "é", "\0", ",",
        ]), 0..12)) {
            let _ = Filter::parse::<Item>(&parts.concat()).map(|filter| filter.matches(&item()));
        }

        #[test]
        fn any_quoted_text_equals_itself(description in any::<String>()) {
            let quoted: String = description
                .chars()
                .flat_map(|c| matches!(c, '"' | '\\' | '*').then_some('\\').into_iter().chain([c]))
                .collect();
            let text = format!("description = \"{quoted}\"");
            prop_assume!(text.len() <= Filter::MAX_BYTES);
            let item = Item { description: Some(description), ..item() };
            prop_assert!(matches(&text, &item));
        }

        #[test]
        fn relations_agree_with_integers(value in -3..3_i64, operand in -3..3_i64) {
            let item = Item { size_bytes: value, ..item() };
            let holds = |op| matches(&format!("size_bytes {op} {operand}"), &item);
            let found = ["=", "!=", "<", "<=", ">", ">="].map(holds);
            let expected = [value == operand, value != operand, value < operand, value <= operand, value > operand, value >= operand];
            prop_assert_eq!(found, expected);
        }
    }
}
