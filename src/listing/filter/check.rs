//! What each kind of field may be compared with.

use chrono::DateTime;

use super::lexer::{Literal, Operator};
use super::{Comparison, Pattern, Relation, Subject, Test};
use crate::listing::error::{FilterError, shown};
use crate::listing::listed::{Field, Kind, Value};

/// A comparison of a field. A `bare` value was written without quotes.
pub fn comparison(field: Field, operator: Operator, value: &Literal, bare: bool) -> Result<Comparison, FilterError> {
    let is_star = bare && value.is_star();
    let subject = Subject::Field(field.name);
    let test = match (field.kind, operator.relation()) {
        (Kind::Labels, None) if is_star => {
            return Ok(Comparison { subject: Subject::Labels, test: Test::Present });
        }
        (Kind::Labels, None) => {
            let key = plain_key("labels", &value.text, &value.stars)?;
            return Ok(Comparison { subject: Subject::Label(key), test: Test::Any });
        }
        (Kind::Labels, Some(_)) => {
            let supported = "`labels:KEY`, `labels:*` and comparisons of `labels.KEY`";
            return Err(not_an_operator(field.name, operator, supported));
        }
        (_, None) if is_star => Test::Present,
        (Kind::Text, _) => text_test(field.name, operator, value)?,
        (Kind::Word(words), None) => Test::Compare(Relation::Equal, Value::Word(word(field.name, words, value)?)),
        (Kind::Word(words), Some(relation @ (Relation::Equal | Relation::NotEqual))) => {
            Test::Compare(relation, Value::Word(word(field.name, words, value)?))
        }
        (Kind::Word(_), Some(_)) => return Err(not_an_operator(field.name, operator, "= != and :")),
        (Kind::Number, relation) => {
            Test::Compare(relation.unwrap_or(Relation::Equal), number(field.name, value, bare)?)
        }
        (Kind::Time, relation) => Test::Compare(relation.unwrap_or(Relation::Equal), time(field.name, value)?),
    };
    Ok(Comparison { subject, test })
}

/// A comparison of the label of that key.
pub fn label(key: String, operator: Operator, value: &Literal, bare: bool) -> Result<Comparison, FilterError> {
    let is_presence = operator == Operator::Has && bare && value.is_star();
    let test = if is_presence { Test::Any } else { text_test("labels.KEY", operator, value)? };
    Ok(Comparison { subject: Subject::Label(key), test })
}

/// What is looked for. `None`: it is empty, or has a star in its middle.
pub fn pattern(value: &Literal) -> Option<Pattern> {
    let open_start = value.stars.first() == Some(&0);
    let open_end = value.stars.last().is_some_and(|star| star + 1 == value.text.len());
    let from = usize::from(open_start);
    let to = value.text.len() - usize::from(open_end);
    if value.text.is_empty() || value.stars.iter().any(|star| (from..to).contains(star)) {
        return None;
    }
    // One star is both ends, and `from` is then behind `to`.
    let text = value.text.get(from..to).unwrap_or_default().to_owned();
    Some(Pattern { text, open_start, open_end })
}

/// `:` is equality, without wildcards.
fn text_test(field: &'static str, operator: Operator, value: &Literal) -> Result<Test, FilterError> {
    if value.stars.is_empty() {
        let relation = operator.relation().unwrap_or(Relation::Equal);
        return Ok(Test::Compare(relation, Value::Text(value.text.clone().into())));
    }
    match (operator.relation(), pattern(value)) {
        (Some(relation @ (Relation::Equal | Relation::NotEqual)), Some(pattern)) => {
            Ok(Test::Like { pattern, negated: relation == Relation::NotEqual })
        }
        _ => Err(misplaced_star(field, value)),
    }
}

/// An enum value, also as clients print it: with the name of its type.
fn word(field: &'static str, words: &'static [&'static str], value: &Literal) -> Result<&'static str, FilterError> {
    let expected = || format!("one of {}", words.join(", "));
    let prefix = format!("{}_", field.to_uppercase());
    let text = value.text.strip_prefix(&prefix).unwrap_or(&value.text);
    words.iter().find(|word| **word == text).copied().ok_or_else(|| not_a_value(field, value, expected()))
}

fn number(field: &'static str, value: &Literal, bare: bool) -> Result<Value<'static>, FilterError> {
    let number = value.text.parse().ok().filter(|_| bare);
    number
        .map(Value::Number)
        .ok_or_else(|| not_a_value(field, value, "a whole number of 64 bits without quotes, such as 1000"))
}

/// Finer than a microsecond is refused: rounding would change what `<` means.
fn time(field: &'static str, value: &Literal) -> Result<Value<'static>, FilterError> {
    let expected = "an RFC 3339 time, to the microsecond at most, such as \"2026-01-01T00:00:00Z\"";
    let time = DateTime::parse_from_rfc3339(&value.text).ok().filter(|time| time.timestamp_subsec_nanos() % 1000 == 0);
    time.map(|time| Value::Time(time.timestamp_micros())).ok_or_else(|| not_a_value(field, value, expected))
}

/// The key of a label. A key is taken as it is; one that looks like a pattern is a misunderstanding.
pub fn plain_key(field: &str, key: &str, stars: &[usize]) -> Result<String, FilterError> {
    if key.is_empty() || !stars.is_empty() {
        let expected = r"the whole key of a label; in quotes, a star is written \*";
        return Err(FilterError::Value { field: shown(field), found: shown(key), expected: expected.into() });
    }
    Ok(key.to_owned())
}

fn misplaced_star(field: &'static str, value: &Literal) -> FilterError {
    not_a_value(
        field,
        value,
        r"`*` only with = or != and at the start or end of the text; in quotes, a plain star is written \*",
    )
}

fn not_a_value(field: &str, value: &Literal, expected: impl Into<String>) -> FilterError {
    FilterError::Value { field: field.to_owned(), found: shown(&value.text), expected: expected.into() }
}

const fn not_an_operator(field: &'static str, operator: Operator, supported: &'static str) -> FilterError {
    FilterError::Operator { field, operator: operator.text(), supported }
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use crate::listing::fixture::{Item, refused};
    use crate::listing::listed::Listed;

    #[test]
    fn values_must_suit_the_field() {
        refused(&[
            ("size_bytes > ten", "`size_bytes` cannot be compared with `ten`: use a whole number"),
            ("size_bytes > '10'", "use a whole number of 64 bits without quotes"),
            ("size_bytes > 1.5", "use a whole number"),
            ("size_bytes > 9223372036854775808", "use a whole number of 64 bits"),
            ("end_time > '2026-01-01'", "such as \"2026-01-01T00:00:00Z\""),
            ("end_time > '2026-01-01T00:00:00.0000001Z'", "to the microsecond at most"),
            ("state = DONE", "`state` cannot be compared with `DONE`: use one of REQUESTED, CREATED"),
            ("state = created", "use one of REQUESTED, CREATED"),
            ("state = STATE_DONE", "use one of REQUESTED, CREATED"),
            ("state = STATE_STATE_CREATED", "use one of REQUESTED, CREATED"),
            ("state:DONE", "use one of REQUESTED, CREATED"),
            ("size_bytes:many", "use a whole number"),
            ("end_time:never", "use an RFC 3339 time"),
            ("end_time > 2026-01-01", "use an RFC 3339 time"),
            ("name = a*b", "at the start or end"),
            ("name = a*b*", "at the start or end"),
            ("name:a*", "`*` only with = or !="),
            ("name < 'a*'", "`*` only with = or !="),
        ]);
    }

    #[test]
    fn operators_must_suit_the_field() {
        refused(&[
            ("state < CREATED", "`state` cannot be compared with `<`: supported are = != and :"),
            ("labels = a", "supported are `labels:KEY`, `labels:*` and comparisons of `labels.KEY`"),
        ]);
    }

    #[test]
    fn label_keys_are_whole() {
        refused(&[
            ("labels:'*'", "use the whole key of a label"),
            ("labels:te*", "use the whole key of a label"),
            ("labels.te* = a", "use the whole key of a label"),
            ("labels.'' = a", "use the whole key of a label"),
            ("labels. 'a' = a", "expected the key of a label"),
            ("labels. = a", "expected the key of a label"),
            ("labels.'a'.b = a", "expected an operator, found `.b`"),
        ]);
        assert!(parse(r"labels:'te\*' AND labels.'\*' = a", Item::FIELDS).is_ok());
    }
}
