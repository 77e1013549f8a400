//! Filters: one CEL expression over `id` (string), `event_time` (timestamp) and `doc` (map).
//!
//! A document for which the expression fails (missing field, wrong type, division by zero) does not match, as in
//! AIP-160; `has(doc.field)` asks whether a field is there. `a || b` and `a && b` absorb the error of one side if
//! the other decides, as CEL says.
//!
//! Numbers: without fraction and exponent an int, beyond i64 a uint, beyond u64 a double; all others doubles.
//! Comparison works across the three, arithmetic does not: `doc.price * 2.0`, not `doc.price * 2`, for a double.
//!
//! The expression comes from a client, so its cost is bounded: `guard` bounds what the recursive parser sees,
//! `check` what may be evaluated (recursion, regular expressions, the growth of values), and a budget per document
//! how often loops turn. A document on which the budget runs out does not match.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString, CelTimestamp};
use cel::{Context, Env, ExecutionError, IdedExpr, Program, Value};
use chrono::DateTime;

mod check;
mod guard;
mod pattern;
mod turns;
mod value;

use check::{Checked, DocUse};
use turns::CHARGE;

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 4096;

/// Loop turns per document; a turn that looks beyond its own variable costs more, see `Charge`.
const BUDGET: u64 = 100_000;

/// The standard library, shared: building it costs more than an evaluation.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum FilterError {
    #[error("is empty")]
    Empty,
    #[error("has {length} bytes, more than {MAX_FILTER_BYTES}")]
    TooLong { length: usize },
    #[error("is too deeply nested, or one of its terms has too many operators")]
    TooComplex,
    #[error("is not a CEL expression: {0}")]
    Syntax(String),
    #[error("names {0}; there are id, event_time and doc")]
    UnknownVariable(String),
    #[error("calls {0}, which is not available")]
    UnknownFunction(String),
    #[error("loop variable {0} hides a variable or type of that name")]
    HidesVariable(String),
    #[error("does not give a boolean")]
    NotBoolean,
    #[error("{0}")]
    Refused(&'static str),
    #[error("matches() has a pattern that is not a regular expression: {0}")]
    BadPattern(String),
}

/// A compiled filter; clones share it.
#[derive(Clone)]
pub struct Filter {
    inner: Arc<Checked>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

impl Filter {
    /// Checks and compiles an expression.
    pub fn compile(text: &str) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Err(FilterError::Empty);
        }
        if text.len() > MAX_FILTER_BYTES {
            return Err(FilterError::TooLong { length: text.len() });
        }
        guard::check(text)?;
        check::check(parse(text)?).map(|checked| Self { inner: Arc::new(checked) })
    }

    /// Whether the document matches; a document that the expression cannot be evaluated on does not.
    #[must_use]
    pub fn matches(&self, id: &str, event_time_micros: i64, body: &[u8]) -> bool {
        // `check` refuses what is known to make `cel` panic; one filter must not take a server down for what is not.
        quietly(|| self.evaluate(id, event_time_micros, body)).flatten().unwrap_or(false)
    }

    fn evaluate(&self, id: &str, event_time_micros: i64, body: &[u8]) -> Option<bool> {
        let Checked { expression, doc, loops } = &*self.inner;
        let mut context = Context::with_env(ENV.clone());
        context.add_variable_as_val("id", Box::new(CelString::from(id)));
        let time = DateTime::from_timestamp_micros(event_time_micros)?.fixed_offset();
        context.add_variable_as_val("event_time", Box::new(CelTimestamp::from(time)));
        if *doc != DocUse::None {
            context.add_variable_as_val("doc", value::read(body, doc).ok()?);
        }
        if *loops {
            add_charge(&mut context, body.len()).ok()?;
        }
        let result = Value::resolve_val(expression, &context).ok()?;
        result.downcast_ref::<CelBool>().map(|matched| *matched.inner())
    }
}

/// Each turn of a loop calls this (see `check`). One that only touches its own variable costs 1: all of them
/// together touch the document once. Any other may scan the whole document. `matches` compiles its pattern each time.
fn add_charge(context: &mut Context<'_, '_>, body_bytes: usize) -> Result<(), cel::DeclarationError> {
    const BYTES_PER_TURN: u64 = 1024;
    let left = AtomicU64::new(BUDGET);
    let scan = 1 + body_bytes as u64 / BYTES_PER_TURN;
    context.add_function(CHARGE, move |scans: bool, pattern_turns: i64| -> Result<bool, ExecutionError> {
        let cost = if scans { scan } else { 1 };
        let cost = cost.saturating_add(pattern_turns.unsigned_abs());
        // Not below zero: once the budget is spent, every further loop ends at its first turn.
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(cost)))
            .ok()
            .filter(|before| *before >= cost)
            .map(|_| true)
            .ok_or_else(|| ExecutionError::function_error(CHARGE, "the filter loops too long over this document"))
    })
}

fn parse(text: &str) -> Result<IdedExpr, FilterError> {
    let parsed = quietly(|| Program::compile(text).map(|program| program.expression().clone()));
    match parsed {
        Some(Ok(expression)) => Ok(expression),
        // Its own Display repeats the text with a caret; the first error is the one that counts.
        Some(Err(errors)) => Err(FilterError::Syntax(errors.errors.first().map_or_else(String::new, describe))),
        None => Err(FilterError::Syntax("it cannot be parsed".to_owned())),
    }
}

fn describe(error: &cel::ParseError) -> String {
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    // ANTLR lists every token it would have liked.
    let message = message.split(" expecting {").next().unwrap_or(message);
    let message = shown(message);
    format!("{message} at line {} column {}", error.pos.0, error.pos.1)
}

/// What a client wrote, as far as it belongs into a message, which gRPC carries in a header: short, on one line.
fn shown(text: &str) -> String {
    const LONGEST: usize = 160;
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// None if `work` panics. Nothing it leaves behind is looked at again.
fn quietly<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests;
