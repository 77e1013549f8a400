//! Filters of lists. `:` is equality, and on a map the question whether it has the key; it
//! never means "contains". `field:*` asks whether the field is there: set, and not to the
//! default of its type. A map without the key fits no comparison of it, `!=` neither.
//!
//! Where AIP-160 leaves the choice: another unset field matches only `!=`, which
//! is the exact opposite of `=`, wildcards included; a text to look for is found
//! as whole words, in the same case, in text fields, states and the values of
//! labels; a star in quotes is written `\*` when it is not a wildcard.

mod check;

use super::listed::{Field, Kind, Listed, Value};
use crate::filter::{self, Expression, FilterError, Pattern, Relation, TextTest};

/// A parsed filter. The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    expression: Expression<Term>,
}

impl Filter {
    /// The most comparisons, and texts to look for, that are evaluated for each item.
    pub const MAX_COMPARISONS: usize = 32;

    /// Reads a filter over the fields of `T`.
    ///
    /// # Errors
    /// [`FilterError`] when the text is not a filter over `T::FIELDS`.
    pub fn parse<T: Listed>(text: &str) -> Result<Self, FilterError> {
        let expression = filter::parse(text, &mut check::Fields(T::FIELDS))?;
        Ok(Self { expression })
    }

    /// Whether the item passes. `T` must be the type that the filter was parsed for.
    pub fn matches<T: Listed>(&self, item: &T) -> bool {
        self.expression.holds(|term| term.accepts(item))
    }
}

/// What is asked of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    Compare(Comparison),
    /// Look for a text.
    Search(Pattern),
}

/// `field op value`, checked against the field's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    subject: Subject,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    Field(&'static str),
    /// The label of that key, if it is there.
    Label(String),
    /// Whether there are labels; there is no other question to all of them.
    Labels,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// It is set, and not to its default.
    Present,
    /// It is set.
    Any,
    Text(TextTest),
    Compare(Relation, Value<'static>),
}

impl Term {
    fn accepts<T: Listed>(&self, item: &T) -> bool {
        match self {
            Self::Compare(comparison) => comparison.accepts(item),
            Self::Search(pattern) => is_said(pattern, item),
        }
    }
}

impl Comparison {
    fn accepts<T: Listed>(&self, item: &T) -> bool {
        match &self.subject {
            Subject::Field(field) => self.test.accepts(&item.value(field)),
            Subject::Label(key) => {
                let value = item.labels().and_then(|labels| labels.get(key));
                value.is_some_and(|text| self.test.accepts(&Value::Text(text.into())))
            }
            Subject::Labels => item.labels().is_some_and(|labels| !labels.is_empty()),
        }
    }
}

impl Test {
    fn accepts(&self, value: &Value<'_>) -> bool {
        if *value == Value::Absent {
            return match self {
                Self::Text(test) => test.is_unequal(),
                Self::Compare(relation, _) => *relation == Relation::NotEqual,
                Self::Present | Self::Any => false,
            };
        }
        match self {
            Self::Present => value.is_present(),
            Self::Any => true,
            Self::Text(test) => value.text().is_some_and(|text| test.accepts(text)),
            Self::Compare(relation, operand) => relation.holds(value.compare(operand)),
        }
    }
}

/// Whether a text is found in any text of the item.
fn is_said<T: Listed>(pattern: &Pattern, item: &T) -> bool {
    T::FIELDS.iter().any(|field| match field.kind {
        Kind::Text => item.value(field.name).text().is_some_and(|text| pattern.is_in(text)),
        Kind::Word(_) => {
            item.value(field.name).text().is_some_and(|word| pattern.is_in(word) || is_whole_name(pattern, field, word))
        }
        Kind::Labels => item.labels().is_some_and(|labels| labels.values().any(|text| pattern.is_in(text))),
        Kind::Number | Kind::Time => false,
    })
}

/// Whether it is an enum value as clients print it: with the name of its type.
fn is_whole_name(pattern: &Pattern, field: &Field, word: &str) -> bool {
    let prefix = pattern.whole().and_then(|text| text.strip_suffix(word)).and_then(|text| text.strip_suffix('_'));
    prefix.is_some_and(|prefix| prefix == field.name.to_uppercase())
}

#[cfg(test)]
mod aip_tests;
#[cfg(test)]
mod refusals;
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
    fn text_compares_by_equality_and_order() {
        all_match(&[
            "name = workspaces/commons/snapshots/nightly-1",
            "name='workspaces/commons/snapshots/nightly-1'",
            "name != x",
            "name > a AND name >= b AND name < x AND name <= y",
            "name:workspaces/commons/snapshots/nightly-1",
            r#"description:"5\* \"hotel\" it's""#,
        ]);
        none_matches(&["name = nightly-1", "name:nightly-1", "name:nightly", "name < a", "name = a AND name:*"]);
        none_matches(&[r#"description:"\"hotel\"""#, r"description:'it\'s'"]);
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
        ]);
        none_matches(&["name = commons*", "name != *nightly-1", r#"name = "\**""#]);
    }

    #[test]
    fn numbers_times_and_words_compare_by_value() {
        all_match(&[
            "size_bytes = -5 AND size_bytes > -6 AND size_bytes <= 0 AND size_bytes != 5 AND size_bytes:-5",
            r#"end_time > "2026-01-01T00:00:00Z""#,
            "end_time > 2026-01-01T00:00:00Z AND end_time:2026-01-01T00:00:00.000001Z",
            "end_time = 2026-01-01T01:00:00.000001000+01:00",
            r#"end_time = "2026-01-01T01:00:00.000001000+01:00""#,
            "state = CREATED AND state != REQUESTED AND state = 'CREATED' AND state:CREATED",
            "state = STATE_CREATED AND state != STATE_REQUESTED",
        ]);
        none_matches(&["size_bytes > 0", r#"end_time <= "2026-01-01T00:00:00Z""#, "state != CREATED", "size_bytes:5"]);
        none_matches(&["state != STATE_CREATED", "state:REQUESTED", "end_time:2026-01-01T00:00:00Z"]);
    }

    #[test]
    fn labels_are_read_by_key() {
        all_match(&[
            "labels.team = search AND labels.team:search AND labels.team = s*",
            r#"labels."my key" = "" AND labels:"my key" AND labels.'my key':*"#,
            "labels.a.b/c = 1 AND labels:a.b/c AND labels.\"a.b/c\" = '1'",
            "labels:* AND labels.team != ads AND labels.team != a*",
        ]);
        none_matches(&["labels.none = x", "labels:none", "labels.none:*", "labels.team != search", "labels.none = *"]);
        none_matches(&["labels.team:ear", "labels.none != x", "labels.none != x*", "labels.'my key' != ''"]);
        let bare = Item { labels: std::collections::BTreeMap::new(), ..item() };
        for text in ["labels:*", "labels.team != search", "labels.team != *"] {
            assert!(!matches(text, &bare), "{text}");
        }
        assert!(matches("NOT labels:*", &bare) && matches("-labels.team:search", &bare));
    }

    #[test]
    fn a_field_is_there_if_it_differs_from_its_default() {
        all_match(&["name:* AND description:* AND state:* AND size_bytes:* AND end_time:*"]);
        let empty = Item { description: Some(String::new()), ..Item::default() };
        for text in ["name:*", "description:*", "state:*", "size_bytes:*", "end_time:*"] {
            assert!(!matches(text, &empty), "{text}");
        }
        assert!(matches("description = '' AND size_bytes = 0 AND -description:*", &empty));
    }

    #[test]
    fn terms_are_joined_by_and_or_not_and_parentheses() {
        all_match(&[
            "size_bytes = 1 OR size_bytes = -5",
            "state = CREATED size_bytes = -5",
            "NOT size_bytes = 1",
            "-size_bytes = 1 AND -(size_bytes = 1)",
            "NOT (size_bytes = 1 OR state = REQUESTED)",
            "((state = CREATED) AND (size_bytes = 1 OR (size_bytes = -5)))",
            "state = REQUESTED OR NOT size_bytes = 1",
            "(size_bytes = 1 AND state = REQUESTED) OR name:*",
        ]);
        none_matches(&[
            // OR binds tighter.
            "state = CREATED OR state = REQUESTED AND size_bytes > 0",
            "size_bytes > 0 AND state = CREATED OR state = REQUESTED",
            "state = CREATED size_bytes = 1",
            "NOT state = CREATED",
            "-state = CREATED",
            "-(state = CREATED OR size_bytes = 1)",
        ]);
    }

    #[test]
    fn bare_texts_are_looked_for_as_whole_words() {
        all_match(&[
            "nightly",
            "nightly-1",
            "hotel search",
            "'it\\'s'",
            "CREATED",
            "STATE_CREATED",
            "night*",
            "*ghtly",
            "*ightl*",
            "*",
            "\"\\\"hotel\\\"\"",
            "ads OR search",
            "-ads",
            "NOT (ads OR none)",
        ]);
        none_matches(&[
            "ight",
            "Nightly",
            "hot",
            "earch",
            "team",
            "-nightly",
            "nightly ads",
            "night",
            "REQUESTED",
            "STATE_REQUESTED",
            "STATE",
            "STATE_*",
        ]);
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
        for text in
            ["description = *", "description:x", "description:*", "state:*", "end_time:*", "state = CREATED", "x"]
        {
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
            prop_assume!(text.len() <= filter::MAX_BYTES);
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
