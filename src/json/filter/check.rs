//! What may be evaluated, and what it may cost.
//!
//! `cel` evaluates whatever it has parsed: unknown names fail at run time, values are copied freely, and a chain
//! of `map(x, x + x)` doubles a string with every link. So an expression is admitted by list, not by exclusion:
//! - names and functions are known; loop variables hide nothing;
//! - list and map literals are constant, `+` is rare: nothing grows beyond a small multiple of the document;
//! - `map` may only take its elements apart, so that a chain of them cannot grow either;
//! - loops nest at most twice, and each turn is charged to the document's budget;
//! - patterns are constant, short, and compile.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use super::pattern::check_pattern;
use super::turns::{Scope, bodies, charge, is_map};
use super::{FilterError, shown};

const MAX_LOOP_NESTING: usize = 2;
const MAX_ADDITIONS: usize = 16;
const VARIABLES: [&str; 3] = ["id", "event_time", "doc"];
/// `type(doc.x) == int`
const TYPES: [&str; 9] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"];
const FUNCTIONS: [&str; 45] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "type",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "exists",
    "all",
    "filter",
];

/// How much of the body a filter needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DocUse {
    None,
    /// Only these top-level members: the others need not be read.
    Fields(Vec<String>),
    Whole,
}

pub(super) struct Checked {
    pub(super) expression: IdedExpr,
    pub(super) doc: DocUse,
    pub(super) loops: bool,
}

pub(super) fn check(mut expression: IdedExpr) -> Result<Checked, FilterError> {
    let mut checker = Checker { doc: DocUse::None, loops: false, additions: 0, scopes: Vec::new() };
    checker.expression(&mut expression)?;
    if never_boolean(&expression.expr) {
        return Err(FilterError::NotBoolean);
    }
    Ok(Checked { expression, doc: checker.doc, loops: checker.loops })
}

struct Checker {
    doc: DocUse,
    loops: bool,
    additions: usize,
    scopes: Vec<Scope>,
}

impl Checker {
    fn expression(&mut self, expression: &mut IdedExpr) -> Result<(), FilterError> {
        match &mut expression.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) if is_doc(&select.operand.expr) => self.field(&select.field),
            Expr::Select(select) => self.expression(&mut select.operand),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(turns) => self.turns(turns),
            Expr::List(list) if list.elements.iter().all(|element| is_constant(&element.expr)) => {
                list.elements.iter_mut().try_for_each(|element| self.expression(element))
            }
            Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) if is_constant(&entry.key.expr) && is_constant(&entry.value.expr) => {
                    self.expression(&mut entry.key)?;
                    self.expression(&mut entry.value)
                }
                _ => Err(FilterError::Refused("lists and maps in a filter hold constants only")),
            }),
            Expr::List(_) => Err(FilterError::Refused("lists and maps in a filter hold constants only")),
            Expr::Struct(value) => Err(FilterError::UnknownFunction(shown(&value.type_name))),
            // `cel` panics when it evaluates one.
            Expr::Unspecified => Err(FilterError::Syntax("a part is missing".to_owned())),
        }
    }

    fn name(&mut self, name: &str) -> Result<(), FilterError> {
        if let Some(owner) = self.scopes.iter().rposition(|scope| scope.variable == name) {
            return self.looks_outside(owner + 1);
        }
        if TYPES.contains(&name) {
            return Ok(());
        }
        if !VARIABLES.contains(&name) {
            return Err(FilterError::UnknownVariable(shown(name)));
        }
        if name == "doc" {
            self.doc = DocUse::Whole;
        }
        self.looks_outside(0)
    }

    /// `doc.field`, `doc["field"]`, `"field" in doc`.
    fn field(&mut self, field: &str) -> Result<(), FilterError> {
        match &mut self.doc {
            DocUse::None => self.doc = DocUse::Fields(vec![field.to_owned()]),
            DocUse::Fields(fields) if !fields.iter().any(|known| known == field) => fields.push(field.to_owned()),
            DocUse::Fields(_) | DocUse::Whole => {}
        }
        self.looks_outside(0)
    }

    /// Something that belongs to a scope further out is used in all loops from `inner` on.
    fn looks_outside(&mut self, inner: usize) -> Result<(), FilterError> {
        for scope in self.scopes.iter_mut().skip(inner) {
            if scope.is_map {
                return Err(FilterError::Refused("map() in a filter may only use its own variable; try exists()"));
            }
            scope.scans = true;
        }
        Ok(())
    }

    fn call(&mut self, call: &mut CallExpr) -> Result<(), FilterError> {
        let CallExpr { func_name, target, args } = call;
        if !FUNCTIONS.contains(&func_name.as_str()) {
            return Err(FilterError::UnknownFunction(shown(func_name)));
        }
        match (func_name.as_str(), args.as_mut_slice()) {
            (operators::INDEX, [doc, field]) | (operators::IN, [field, doc]) if is_doc(&doc.expr) => {
                if let Some(field) = literal_text(&field.expr) {
                    return self.field(field);
                }
            }
            (operators::ADD, _) => {
                self.additions += 1;
                if self.additions > MAX_ADDITIONS {
                    return Err(FilterError::Refused("a filter may add at most 16 times"));
                }
                if self.scopes.iter().any(|scope| scope.is_map) {
                    return Err(FilterError::Refused("map() in a filter may not add"));
                }
            }
            ("matches", arguments) => {
                let turns = check_pattern(arguments.last().and_then(|pattern| literal_text(&pattern.expr)))?;
                self.scopes
                    .iter_mut()
                    .for_each(|scope| scope.pattern_turns = scope.pattern_turns.saturating_add(turns));
            }
            // The macros have become loops; what is left has the wrong arguments.
            ("exists" | "all" | "filter", _) => {
                return Err(FilterError::Syntax(format!("{func_name}() has the wrong arguments")));
            }
            _ => {}
        }
        target.iter_mut().try_for_each(|target| self.expression(target))?;
        args.iter_mut().try_for_each(|argument| self.expression(argument))
    }

    fn turns(&mut self, turns: &mut ComprehensionExpr) -> Result<(), FilterError> {
        self.expression(&mut turns.iter_range)?;
        let variable = turns.iter_var.clone();
        let taken = |name: &str| VARIABLES.contains(&name) || TYPES.contains(&name);
        if taken(&variable) || self.scopes.iter().any(|scope| scope.variable == variable) {
            return Err(FilterError::HidesVariable(shown(&variable)));
        }
        if self.scopes.len() == MAX_LOOP_NESTING {
            return Err(FilterError::TooComplex);
        }
        self.loops = true;
        let is_map = is_map(turns);
        self.scopes.push(Scope { variable, scans: false, pattern_turns: 0, is_map });
        let bodies = bodies(turns).ok_or(FilterError::TooComplex)?;
        bodies.into_iter().try_for_each(|body| self.expression(body))?;
        if let Some(scope) = self.scopes.pop() {
            charge(turns, &scope);
        }
        Ok(())
    }
}

fn is_doc(expression: &Expr) -> bool {
    matches!(expression, Expr::Ident(name) if name == "doc")
}

fn literal_text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(_) => true,
        Expr::Call(call) => {
            call.target.iter().map(|target| &**target).chain(&call.args).all(|part| is_constant(&part.expr))
        }
        Expr::List(list) => list.elements.iter().all(|element| is_constant(&element.expr)),
        Expr::Map(map) => map.entries.iter().all(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => is_constant(&entry.key.expr) && is_constant(&entry.value.expr),
            EntryExpr::StructField(_) => false,
        }),
        _ => false,
    }
}

/// Only where it is certain: `doc.flag` may be a boolean.
fn never_boolean(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(LiteralValue::Boolean(_)) | Expr::Select(_) => false,
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => true,
        Expr::Ident(name) => VARIABLES.contains(&name.as_str()) || TYPES.contains(&name.as_str()),
        Expr::Comprehension(turns) => matches!(turns.accu_init.expr, Expr::List(_)),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [_, then, otherwise]) => {
                never_boolean(&then.expr) || never_boolean(&otherwise.expr)
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, terms) => {
                terms.iter().any(|term| never_boolean(&term.expr))
            }
            (name, _) => !matches!(
                name,
                operators::EQUALS
                    | operators::NOT_EQUALS
                    | operators::GREATER_EQUALS
                    | operators::LESS_EQUALS
                    | operators::GREATER
                    | operators::LESS
                    | operators::INDEX
                    | operators::IN
                    | "contains"
                    | "startsWith"
                    | "endsWith"
                    | "matches"
                    | "bool"
            ),
        },
    }
}
