//! Looks at a document once and finds which facts there are.

use super::{
    Filter,
    asked::{Asked, Fact, Scalar, Term, Value},
};
use crate::json::{
    body::{BodyError, utf8},
    number::Decimal,
    scan::{Cursor, Kind, ScanError},
};

/// Which facts there are: at most two for each term.
#[derive(Default)]
pub struct Facts([u64; 2 * Filter::MAX_TERMS / 64]);

impl Facts {
    /// Whether a term holds.
    pub fn make(&self, term: Term) -> bool {
        match term {
            Term::If(fact) => self.has(fact),
            Term::IfEither(one, other) => self.has(one) || self.has(other),
        }
    }

    fn has(&self, fact: Fact) -> bool {
        self.0.get(fact / 64).is_some_and(|facts| facts >> (fact % 64) & 1 == 1)
    }

    fn add(&mut self, fact: Fact) {
        if let Some(facts) = self.0.get_mut(fact / 64) {
            *facts |= 1 << (fact % 64);
        }
    }
}

/// What is so of a document.
pub fn look(asked: &Asked, id: &str, event_time: i64, body: &[u8]) -> Result<Facts, BodyError> {
    let mut look = Look { asked, facts: Facts::default() };
    for (fact, test) in &asked.id {
        if test.accepts(id) {
            look.facts.add(*fact);
        }
    }
    for (fact, relation, time) in &asked.event_time {
        if relation.holds(event_time.cmp(time)) {
            look.facts.add(*fact);
        }
    }
    look.note(asked.always);
    look.search(id);
    let mut cursor = Cursor::new(utf8(body)?);
    look.value(&mut cursor, Some(&asked.body), false)?;
    cursor.finish()?;
    Ok(look.facts)
}

struct Look<'f> {
    asked: &'f Asked,
    facts: Facts,
}

impl Look<'_> {
    fn note(&mut self, fact: Option<Fact>) {
        if let Some(fact) = fact {
            self.facts.add(fact);
        }
    }

    fn search(&mut self, text: &str) {
        for (fact, pattern) in &self.asked.searches {
            if !self.facts.has(*fact) && pattern.is_in(text) {
                self.facts.add(*fact);
            }
        }
    }

    /// Looks at a value of which something is asked, or that may have texts in it.
    fn value(&mut self, cursor: &mut Cursor<'_>, asked: Option<&Value>, in_list: bool) -> Result<(), ScanError> {
        let asked = asked.filter(|asked| !in_list || asked.is_asked_in_lists);
        if asked.is_none() && self.asked.searches.is_empty() {
            return cursor.skip();
        }
        let kind = cursor.kind()?;
        if let Some(asked) = asked.filter(|_| kind != Kind::Null) {
            self.note(asked.present);
        }
        match kind {
            Kind::Object => cursor.object(|cursor, key, _| {
                let Some(asked) = asked else { return self.value(cursor, None, in_list) };
                let name = key.decode();
                self.note(asked.keys.get(&*name).copied());
                self.value(cursor, asked.members.get(&*name).map(|asked| &**asked), in_list)
            }),
            Kind::Array => cursor.array(|cursor, _| self.value(cursor, asked, true)),
            _ => self.scalar(cursor, kind, asked, in_list),
        }
    }

    fn scalar(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: Kind,
        asked: Option<&Value>,
        in_list: bool,
    ) -> Result<(), ScanError> {
        let asked = asked.filter(|asked| asked.is_about_scalars(in_list));
        if asked.is_none() && (kind != Kind::String || self.asked.searches.is_empty()) {
            return cursor.skip_scalar();
        }
        let value = match kind {
            Kind::String => Some(Scalar::Text(cursor.string()?.decode())),
            Kind::Number => Decimal::read(cursor.number()?).map(Scalar::Number),
            Kind::Bool => Some(Scalar::Bool(cursor.boolean()?)),
            _ => {
                cursor.null()?;
                Some(Scalar::Null)
            }
        };
        let Some(value) = value else { return Ok(()) };
        if let Scalar::Text(text) = &value {
            self.search(text);
        }
        let Some(asked) = asked else { return Ok(()) };
        self.note(asked.equal.get(&value).copied());
        for (fact, test) in asked.tests.iter().filter(|_| !in_list) {
            if test.accepts(&value) {
                self.facts.add(*fact);
            }
        }
        Ok(())
    }
}
