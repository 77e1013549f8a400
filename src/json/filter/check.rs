//! What may be asked of which part of a document.

use super::{
    Filter,
    asked::{Asked, Fact, Scalar, Term, Test, Value},
};
use crate::{
    filter::{self, FilterError, Literal, Operator, Path, Pattern, Relation, TextTest, shown, time},
    json::{
        number::Decimal,
        scan::{self, Cursor, Kind},
    },
};

const ID: &str = "id";
const EVENT_TIME: &str = "event_time";
/// The body itself.
const DOC: &str = "doc";
/// Those that may be in one another. What is asked of them is as deep.
const MAX_NAMES: usize = scan::MAX_DEPTH;

/// The terms that were read so far.
#[derive(Default)]
pub struct Terms {
    pub asked: Asked,
    facts: Fact,
    scans: usize,
}

impl filter::Terms for Terms {
    type Term = Term;
    const MAX: usize = Filter::MAX_TERMS;

    fn comparison(
        &mut self,
        path: &Path,
        operator: Operator,
        value: &Literal,
        bare: bool,
    ) -> Result<Term, FilterError> {
        let facts = self.next();
        let [fact, _] = facts;
        let is_presence = bare && operator == Operator::Has && value.is_star();
        Ok(match names(path)?.as_slice() {
            [ID | EVENT_TIME] if is_presence => Term::If(*self.asked.always.get_or_insert(fact)),
            [ID] => {
                self.asked.id.push((fact, TextTest::new(ID, operator, value)?));
                Term::If(fact)
            }
            [EVENT_TIME] => {
                let relation = operator.relation().unwrap_or(Relation::Equal);
                self.asked.event_time.push((fact, relation, time(EVENT_TIME, value)?));
                Term::If(fact)
            }
            [own @ (ID | EVENT_TIME), ..] => {
                let supported = format!("{own} itself, and members of the body, such as doc.{}", shown(&path.text));
                return Err(FilterError::UnknownField { field: shown(&path.text), supported });
            }
            [DOC] if operator != Operator::Has => {
                return Err(FilterError::operator(DOC, operator, "`doc:KEY`, and all of its members, such as doc.KEY"));
            }
            [DOC, names @ ..] | names => {
                let asked = self.asked.body.at(names, operator == Operator::Has);
                match operator {
                    Operator::Has if is_presence => Term::If(*asked.present.get_or_insert(fact)),
                    Operator::Has => has(asked, facts, path, value, bare)?,
                    Operator::Relation(relation) => {
                        let test = test(path, operator, relation, value, bare)?;
                        let reads_all = matches!(&test, Test::Text(test) if test.reads_all());
                        asked.tests.push((fact, test));
                        if reads_all {
                            self.scan()?;
                        }
                        Term::If(fact)
                    }
                }
            }
        })
    }

    fn search(&mut self, text: Pattern) -> Result<Term, FilterError> {
        let [fact, _] = self.next();
        self.scan()?;
        self.asked.searches.push((fact, text));
        Ok(Term::If(fact))
    }

    fn is_field(&self, path: &Path) -> bool {
        matches!(path.text.as_str(), ID | EVENT_TIME) || path.names.first().is_some_and(|name| name.text == DOC)
    }
}

impl Terms {
    /// Two for each term, because it may need them.
    fn next(&mut self) -> [Fact; 2] {
        let fact = self.facts;
        self.facts += 2;
        [fact, fact + 1]
    }

    fn scan(&mut self) -> Result<(), FilterError> {
        if self.scans == Filter::MAX_SCANS {
            return Err(FilterError::TooManyScans { max: Filter::MAX_SCANS });
        }
        self.scans += 1;
        Ok(())
    }
}

/// The names of a path, whole.
fn names(path: &Path) -> Result<Vec<&str>, FilterError> {
    let refused = |supported: &str| FilterError::UnknownField { field: shown(&path.text), supported: supported.into() };
    if path.has_star {
        return Err(refused(r"whole names; in quotes, a star is written \*"));
    }
    if path.names.iter().any(|name| name.text.is_empty() && !name.is_quoted) {
        return Err(refused("names with one dot between two; an empty name is written \"\""));
    }
    let names: Vec<&str> = path.names.iter().map(|name| name.text.as_str()).collect();
    let ([DOC, of_body @ ..] | of_body) = names.as_slice();
    if of_body.len() > MAX_NAMES {
        return Err(refused(&format!("at most {MAX_NAMES} names, as many as a body may have in one another")));
    }
    Ok(names)
}

/// Asks whether a value is that, or has it.
fn has(asked: &mut Value, facts: [Fact; 2], path: &Path, value: &Literal, bare: bool) -> Result<Term, FilterError> {
    if !value.stars.is_empty() {
        let expected = r"a whole value, or `*` alone; in quotes, a plain star is written \*";
        return Err(FilterError::value(&path.text, value, expected));
    }
    let [equal, key] = facts;
    let equal = asked.equal.entry(scalar(path, value, bare)?).or_insert(equal);
    let key = asked.keys.entry(value.text.clone()).or_insert(key);
    Ok(Term::IfEither(*equal, *key))
}

fn test(path: &Path, operator: Operator, relation: Relation, value: &Literal, bare: bool) -> Result<Test, FilterError> {
    let equality = || match relation {
        Relation::Equal => Ok(false),
        Relation::NotEqual => Ok(true),
        _ => Err(FilterError::operator(&path.text, operator, "= != and : with true, false and null")),
    };
    Ok(match scalar(path, value, bare)? {
        Scalar::Text(_) => Test::Text(TextTest::new(&path.text, operator, value)?),
        Scalar::Number(number) => Test::Number(relation, number),
        Scalar::Bool(flag) => Test::Bool { flag, negated: equality()? },
        Scalar::Null => Test::Null { negated: equality()? },
    })
}

/// What a value means: one without quotes is what JSON would take it for, or else a text.
fn scalar(path: &Path, value: &Literal, bare: bool) -> Result<Scalar<'static>, FilterError> {
    Ok(match value.text.as_str() {
        "true" if bare => Scalar::Bool(true),
        "false" if bare => Scalar::Bool(false),
        "null" if bare => Scalar::Null,
        text if bare && is_number(text) => {
            let expected = "a number, its power of ten of 18 digits at most";
            let number = Decimal::read(text).ok_or_else(|| FilterError::value(&path.text, value, expected))?;
            Scalar::Number(number.into_owned())
        }
        text => Scalar::Text(text.to_owned().into()),
    })
}

fn is_number(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    matches!(cursor.kind(), Ok(Kind::Number)) && cursor.number().is_ok() && cursor.finish().is_ok()
}
