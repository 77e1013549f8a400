//! What the words of every error are held to, wherever a test looks at one.

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

/// The fields that an error complains about.
pub fn bad_fields(status: &Status) -> Vec<String> {
    let bad = status.get_error_details().bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    bad.into_iter().map(|violation| violation.field).collect()
}

/// A field, and whatever else an error is about, is named once.
#[track_caller]
pub fn check_words(status: &Status, details: &ErrorDetails) {
    let bad = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    for violation in &bad {
        assert!(!names(&violation.description, &violation.field), "{violation:?}");
    }
    let is_invalid = details.error_info().is_some_and(|info| info.reason == "INVALID_FIELD");
    let message = match bad.first() {
        Some(first) if is_invalid => {
            let (field, why) = (first.field.trim_end_matches('…'), first.description.trim_end_matches('…'));
            let said = status.message().strip_prefix(field).and_then(|rest| rest.split_once(": "));
            let (_, said) = said.unwrap_or_else(|| panic!("{status:?} begins with the first field"));
            assert!(why.starts_with(said.trim_end_matches('…')), "{status:?} says what is wrong with it");
            said
        }
        _ => status.message(),
    };
    // `patch: patch operation 1: ...`
    if let Some((before, after)) = message.split_once(": ") {
        assert!(!begins(after, before), "{status:?}");
    }
}

/// Whether a text names a field that is named before it.
fn names(text: &str, field: &str) -> bool {
    let last = field.rsplit('.').next().unwrap_or(field);
    let last = last.split('[').next().unwrap_or(last);
    let text = text.strip_prefix("the ").unwrap_or(text);
    let is_path = field.contains('.') && text.contains(field);
    is_path || [last.to_owned(), last.replace('_', " ")].iter().any(|name| begins(text, name))
}

/// Whether a text begins with a whole word, or several.
fn begins(text: &str, words: &str) -> bool {
    let rest = text.strip_prefix(words).filter(|_| !words.is_empty());
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn a_field_that_is_named_twice_is_noticed() {
    for (field, text) in [
        ("order_by", "order_by: `createTime` cannot be ordered by"),
        ("filter", "filter names population"),
        ("upsert.event_time", "the event time is outside"),
        ("source.location", "the location cannot be read"),
        ("ids[7]", "ids are texts"),
        ("snapshot.ttl", "snapshot.ttl must be positive"),
    ] {
        assert!(names(text, field), "{field}: {text}");
    }
    for (field, text) in [("id", "identifies nothing"), ("name", "must have the form a/{name}"), ("", "2 more")] {
        assert!(!names(text, field), "{field}: {text}");
    }
}
