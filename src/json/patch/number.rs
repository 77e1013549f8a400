//! Numbers as JSON text: exact where they are integers, compared by their decimal value.

use serde_json::Number;

use crate::json::number::Decimal;

/// Two integers give an integer that must fit i64 or u64; otherwise doubles, which must stay finite.
pub(super) fn add(a: &Number, b: &Number) -> Option<Number> {
    if is_integer(a) && is_integer(b) {
        let sum = a.as_str().parse::<i128>().ok()?.checked_add(b.as_str().parse().ok()?)?;
        return i64::try_from(sum).map(Number::from).or_else(|_| u64::try_from(sum).map(Number::from)).ok();
    }
    Number::from_f64(a.as_str().parse::<f64>().ok()? + b.as_str().parse::<f64>().ok()?)
}

fn is_integer(number: &Number) -> bool {
    !number.as_str().contains(['.', 'e', 'E'])
}

/// Whether two numbers have the same value. Those with an absurd exponent compare as text.
pub(super) fn same(a: &Number, b: &Number) -> bool {
    let (a, b) = (a.as_str(), b.as_str());
    a == b || matches!((Decimal::read(a), Decimal::read(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    fn sum(a: &str, b: &str) -> Option<String> {
        add(&number(a), &number(b)).map(|n| n.to_string())
    }

    #[test]
    fn equal_values_are_the_same_number() {
        assert!(same(&number("10e-1"), &number("1")) && !same(&number("0.1"), &number("0.01")));
        assert!(!same(&number("9007199254740993"), &number("9007199254740992.0")));
    }

    #[test]
    fn absurd_exponents_compare_as_text() {
        let absurd = "1e99999999999999999999";
        assert!(same(&number(absurd), &number(absurd)) && !same(&number(absurd), &number("1")));
    }

    #[test]
    fn integers_stay_exact_and_in_range() {
        assert_eq!(sum("9007199254740993", "2").as_deref(), Some("9007199254740995"));
        assert_eq!(sum("9223372036854775807", "1").as_deref(), Some("9223372036854775808"));
        assert_eq!(sum("18446744073709551615", "-1").as_deref(), Some("18446744073709551614"));
        assert_eq!(sum("-0", "0").as_deref(), Some("0"));
        for (a, b) in [
            ("18446744073709551615", "1"),
            ("-9223372036854775808", "-1"),
            ("99999999999999999999999999999999999999999", "1"),
        ] {
            assert_eq!(sum(a, b), None, "{a} {b}");
        }
    }

    #[test]
    fn anything_else_is_added_as_doubles() {
        assert_eq!(sum("1", "0.5").as_deref(), Some("1.5"));
        assert_eq!(sum("1e2", "1").as_deref(), Some("101.0"));
        assert_eq!(sum("1e308", "1e308"), None);
        assert_eq!(sum("1e999", "1"), None);
    }
}
