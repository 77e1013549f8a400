//! What each kind of field of a list may be compared with.

use super::{Comparison, Filter, Subject, Term, Test};
use crate::{
    filter::{FilterError, Literal, Operator, Path, Pattern, Relation, Terms, TextTest, shown, time},
    listing::listed::{Field, Kind, Value},
};

/// The fields of what is listed.
pub struct Fields(pub &'static [Field]);

impl Terms for Fields {
    type Term = Term;
    const MAX: usize = Filter::MAX_COMPARISONS;

    fn comparison(
        &mut self,
        path: &Path,
        operator: Operator,
        value: &Literal,
        bare: bool,
    ) -> Result<Term, FilterError> {
        let comparison = match (self.named(&path.text), self.of_labels(path)) {
            (Some(field), _) => comparison(field, operator, value, bare)?,
            (None, Some(key)) => label(plain_key(&path.text, key, path.has_star)?, operator, value, bare)?,
            (None, None) => return Err(self.unknown(path)),
        };
        Ok(Term::Compare(comparison))
    }

    fn search(&mut self, text: Pattern) -> Result<Term, FilterError> {
        Ok(Term::Search(text))
    }

    fn is_field(&self, path: &Path) -> bool {
        self.named(&path.text).is_some() || self.of_labels(path).is_some()
    }
}

impl Fields {
    fn named(&self, name: &str) -> Option<Field> {
        self.0.iter().find(|field| field.name == name).copied()
    }

    /// The key in `labels.KEY`, which may have dots with quotes and without.
    fn of_labels<'p>(&self, path: &'p Path) -> Option<&'p str> {
        let (name, key) = path.text.split_once('.')?;
        self.named(name).filter(|field| field.kind == Kind::Labels).map(|_| key)
    }

    fn unknown(&self, path: &Path) -> FilterError {
        let name = |field: &Field| match field.kind {
            Kind::Labels => format!("{}.KEY", field.name),
            _ => field.name.to_owned(),
        };
        let supported: Vec<String> = self.0.iter().map(name).collect();
        FilterError::UnknownField { field: shown(&path.text), supported: supported.join(", ") }
    }
}

/// A comparison of a field. A `bare` value was written without quotes.
fn comparison(field: Field, operator: Operator, value: &Literal, bare: bool) -> Result<Comparison, FilterError> {
    let is_star = bare && value.is_star();
    let subject = Subject::Field(field.name);
    let test = match (field.kind, operator.relation()) {
        (Kind::Labels, None) if is_star => {
            return Ok(Comparison { subject: Subject::Labels, test: Test::Present });
        }
        (Kind::Labels, None) => {
            let key = plain_key("labels", &value.text, !value.stars.is_empty())?;
            return Ok(Comparison { subject: Subject::Label(key), test: Test::Any });
        }
        (Kind::Labels, Some(_)) => {
            let supported = "`labels:KEY`, `labels:*` and comparisons of `labels.KEY`";
            return Err(FilterError::operator(field.name, operator, supported));
        }
        (_, None) if is_star => Test::Present,
        (Kind::Text, _) => Test::Text(TextTest::new(field.name, operator, value)?),
        (Kind::Word(words), None) => Test::Compare(Relation::Equal, Value::Word(word(field.name, words, value)?)),
        (Kind::Word(words), Some(relation @ (Relation::Equal | Relation::NotEqual))) => {
            Test::Compare(relation, Value::Word(word(field.name, words, value)?))
        }
        (Kind::Word(_), Some(_)) => return Err(FilterError::operator(field.name, operator, "= != and :")),
        (Kind::Number, relation) => {
            Test::Compare(relation.unwrap_or(Relation::Equal), number(field.name, value, bare)?)
        }
        (Kind::Time, relation) => {
            Test::Compare(relation.unwrap_or(Relation::Equal), Value::Time(time(field.name, value)?))
        }
    };
    Ok(Comparison { subject, test })
}

/// A comparison of the label of that key.
fn label(key: String, operator: Operator, value: &Literal, bare: bool) -> Result<Comparison, FilterError> {
    let is_presence = operator == Operator::Has && bare && value.is_star();
    let test = if is_presence { Test::Any } else { Test::Text(TextTest::new("labels.KEY", operator, value)?) };
    Ok(Comparison { subject: Subject::Label(key), test })
}

/// An enum value, also as clients print it: with the name of its type.
fn word(field: &'static str, words: &'static [&'static str], value: &Literal) -> Result<&'static str, FilterError> {
    let expected = || format!("one of {}", words.join(", "));
    let prefix = format!("{}_", field.to_uppercase());
    let text = value.text.strip_prefix(&prefix).unwrap_or(&value.text);
    words.iter().find(|word| **word == text).copied().ok_or_else(|| FilterError::value(field, value, expected()))
}

fn number(field: &'static str, value: &Literal, bare: bool) -> Result<Value<'static>, FilterError> {
    let number = value.text.parse().ok().filter(|_| bare);
    number
        .map(Value::Number)
        .ok_or_else(|| FilterError::value(field, value, "a whole number of 64 bits without quotes, such as 1000"))
}

/// The key of a label. A key is taken as it is; one that looks like a pattern is a misunderstanding.
fn plain_key(field: &str, key: &str, has_star: bool) -> Result<String, FilterError> {
    if key.is_empty() || has_star {
        let expected = r"the whole key of a label; in quotes, a star is written \*";
        return Err(FilterError::Value { field: shown(field), found: shown(key), expected: expected.into() });
    }
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::fixture::{Item, refused};

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
            ("labels. 'a' = a", "expected a name behind the dot"),
            ("labels. = a", "expected a name behind the dot"),
            ("labels.'a'b = a", "expected an operator, found `b`"),
        ]);
        assert!(Filter::parse::<Item>(r"labels:'te\*' AND labels.'\*' = a").is_ok());
    }
}
