//! Loops as the macros of `cel` 0.15 write them, and how each turn is charged.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, operators};

/// The function charged at each turn of a loop; not a name that a filter can spell.
pub(super) const CHARGE: &str = "@charge";

/// One loop around the current expression.
pub(super) struct Scope {
    pub(super) variable: String,
    /// Its body looks at more than its own variable.
    pub(super) scans: bool,
    /// What the patterns in its body cost, in turns.
    pub(super) pattern_turns: i64,
    pub(super) is_map: bool,
}

/// What the client wrote in a loop, out of what the macros of `cel` 0.15 made of it. None: a form unknown here.
pub(super) fn bodies(turns: &mut ComprehensionExpr) -> Option<Vec<&mut IdedExpr>> {
    let Expr::Call(step) = &mut turns.loop_step.expr else {
        return None;
    };
    match (step.func_name.as_str(), step.args.as_mut_slice()) {
        // exists, all: @result || body
        (operators::LOGICAL_OR | operators::LOGICAL_AND, [_, body]) => Some(vec![body]),
        // map: @result + [body]
        (operators::ADD, [_, list]) => Some(vec![only_element(list)?]),
        // filter, map with a condition: condition ? @result + [body] : @result; exists_one: ... @result + 1
        (operators::CONDITIONAL, [condition, then, _]) => {
            let Expr::Call(append) = &mut then.expr else {
                return None;
            };
            match append.args.as_mut_slice() {
                [_, one] if matches!(one.expr, Expr::Literal(_)) => Some(vec![condition]),
                [_, list] => Some(vec![condition, only_element(list)?]),
                _ => None,
            }
        }
        _ => None,
    }
}

fn only_element(list: &mut IdedExpr) -> Option<&mut IdedExpr> {
    match &mut list.expr {
        Expr::List(list) if list.elements.len() == 1 => list.elements.first_mut(),
        _ => None,
    }
}

/// `map`, with or without a condition: what it collects is more than its variable.
pub(super) fn is_map(turns: &mut ComprehensionExpr) -> bool {
    let collects = matches!(turns.accu_init.expr, Expr::List(_));
    let variable = turns.iter_var.clone();
    let is_variable = |body: &IdedExpr| matches!(&body.expr, Expr::Ident(name) if *name == variable);
    collects && bodies(turns).is_none_or(|bodies| bodies.last().is_none_or(|body| !is_variable(body)))
}

/// Puts `@charge(..) ? body : false` in place of the first body: unlike with `&&`, its error cannot be absorbed by
/// the body, and `cel` still recognises the loops that it runs without copying.
pub(super) fn charge(turns: &mut ComprehensionExpr, scope: &Scope) {
    // `exists` and `all` go on after an error in a turn, but not after one in the condition to go on.
    let folds = matches!(&turns.accu_init.expr, Expr::Literal(LiteralValue::Boolean(_)));
    let gate = |body: &mut IdedExpr| {
        let flag = |flag: bool| IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Boolean(flag.into())) };
        let pattern_turns = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(scope.pattern_turns.into())) };
        let charge = call(CHARGE, vec![flag(scope.scans), pattern_turns]);
        let gated = std::mem::take(body);
        *body = call(operators::CONDITIONAL, vec![charge, gated, flag(false)]);
    };
    if folds {
        gate(&mut turns.loop_cond);
    } else if let Some(body) = bodies(turns).and_then(|bodies| bodies.into_iter().next()) {
        gate(body);
    }
}

pub(super) fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) }
}
