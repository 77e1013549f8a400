//! What a filter asks, by what it is asked of.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    filter::{Pattern, Relation, TextTest},
    json::number::Decimal,
};

/// The number of something that a document turns out to be or to have. Terms that ask the same
/// of the same value share it, so that whatever is met in a list has one answer to give and
/// not one for each term.
pub type Fact = usize;

/// A term of the filter, by what makes it hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    If(Fact),
    IfEither(Fact, Fact),
}

/// What all terms ask.
#[derive(Debug, Default)]
pub struct Asked {
    pub id: Vec<(Fact, TextTest)>,
    pub event_time: Vec<(Fact, Relation, i64)>,
    /// True of every document.
    pub always: Option<Fact>,
    /// Texts to look for.
    pub searches: Vec<(Fact, Pattern)>,
    pub body: Value,
}

/// What is asked of a value, and of what is in it.
#[derive(Debug, Default)]
pub struct Value {
    /// In boxes, because a map has room for more than there are.
    pub members: HashMap<String, Box<Value>>,
    /// With a relation: of the value itself, but not of the members of a list.
    pub tests: Vec<(Fact, Test)>,
    /// With `:*`.
    pub present: Option<Fact>,
    /// With `:`, of what is no object.
    pub equal: HashMap<Scalar<'static>, Fact>,
    /// With `:`, of an object.
    pub keys: HashMap<String, Fact>,
    /// Whether something is asked with `:` here or below, and so of members of lists.
    pub is_asked_in_lists: bool,
}

/// How a value is compared.
#[derive(Debug)]
pub enum Test {
    Text(TextTest),
    Number(Relation, Decimal<'static>),
    Bool { flag: bool, negated: bool },
    Null { negated: bool },
}

/// A value that has no members.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(Decimal<'a>),
    Bool(bool),
    Null,
}

impl Value {
    /// What is asked of a value below, to which these names lead.
    pub fn at(&mut self, names: &[&str], in_lists: bool) -> &mut Self {
        self.is_asked_in_lists |= in_lists;
        match names {
            [] => self,
            [first, rest @ ..] => self.members.entry((*first).to_owned()).or_default().at(rest, in_lists),
        }
    }

    /// Whether the value of a text, a number and so on matters.
    pub fn is_about_scalars(&self, in_list: bool) -> bool {
        !self.equal.is_empty() || !(in_list || self.tests.is_empty())
    }
}

impl Test {
    /// Whether a value passes. One of another type does not.
    pub fn accepts(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Self::Text(test), Scalar::Text(text)) => test.accepts(text),
            (Self::Number(relation, operand), Scalar::Number(number)) => relation.holds(number.cmp(operand)),
            (Self::Bool { flag: operand, negated }, Scalar::Bool(flag)) => (flag == operand) != *negated,
            (Self::Null { negated }, Scalar::Null) => !negated,
            _ => false,
        }
    }
}
