//! The patterns of `matches`.

use cel::common::ast::{Expr, LiteralValue};
use cel::{Context, IdedExpr, Value};

use super::turns::call;
use super::{ENV, FilterError, shown};

const MAX_PATTERN_BYTES: usize = 256;
/// In units of about 4 µs to compile (see `weight`): `cel` compiles a pattern for every document.
const MAX_PATTERN_WEIGHT: u64 = 400;

/// `cel` compiles the pattern at every evaluation. Returns what that costs, in turns of a loop.
pub(super) fn check_pattern(pattern: Option<&str>) -> Result<i64, FilterError> {
    const TURNS_PER_WEIGHT: u64 = 16;
    let Some(pattern) = pattern else {
        return Err(FilterError::Refused("matches() takes a constant pattern"));
    };
    if pattern.len() > MAX_PATTERN_BYTES || weight(pattern) > MAX_PATTERN_WEIGHT {
        return Err(FilterError::Refused("matches() has a pattern that is too large"));
    }
    let literal = |text: &str| IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(text.to_owned().into())) };
    let probe = call("matches", vec![literal(""), literal(pattern)]);
    match Value::resolve(&probe, &Context::with_env(ENV.clone())) {
        Ok(_) => Ok(i64::try_from(weight(pattern) * TURNS_PER_WEIGHT).unwrap_or(i64::MAX)),
        Err(_) => Err(FilterError::BadPattern(shown(pattern))),
    }
}

/// An upper bound for the compiled size: counted repetitions multiply it, and each Unicode class (`\w` has some
/// 750 ranges) is worth many literals. `[0-9]` is cheap where `\d` is not.
fn weight(pattern: &str) -> u64 {
    const CLASS: u64 = 50;
    let classes = pattern.match_indices('\\').filter(|(at, _)| {
        matches!(
            pattern.as_bytes().get(at + 1),
            Some(b'w' | b'W' | b'd' | b'D' | b's' | b'S' | b'p' | b'P' | b'b' | b'B')
        )
    });
    let posix = pattern.matches("[:").count() as u64;
    let size = 2 + pattern.len() as u64 / 16 + CLASS * (classes.count() as u64 + posix);
    let folded = if pattern.contains("(?") { 2 } else { 1 }; // perhaps (?i)
    size.saturating_mul(folded).saturating_mul(repetition(pattern))
}

/// How often a part of the pattern can occur in its compiled form.
fn repetition(pattern: &str) -> u64 {
    let counts = pattern.split('{').skip(1).map(|part| {
        let inside = part.split('}').next().unwrap_or_default();
        inside.split(',').filter_map(|number| number.trim().parse::<u64>().ok()).max().unwrap_or(1)
    });
    counts.fold(1, |product, count| product.saturating_mul(count.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_grows_with_repetition_and_classes() {
        assert!(weight("^[a-z]+@[a-z]+") < 10);
        assert!(weight(r"\w+@\w+\.\w+") < MAX_PATTERN_WEIGHT);
        for heavy in [r"\w{100}", "(a{20}){20}", r"(?i)\p{L}{9}"] {
            assert!(weight(heavy) > MAX_PATTERN_WEIGHT, "{heavy}");
        }
        assert_eq!(repetition("a{2,3}b{4}{x"), 12);
        assert_eq!(repetition("a{18446744073709551615}{3}"), u64::MAX);
    }
}
