//! Numbers as JSON text: exact where they are integers, compared by their decimal value.

use serde_json::Number;

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

/// `1`, `1.0` and `10e-1` are the same number; `9007199254740993` and `9007199254740992.0` are not.
pub(super) fn same(a: &Number, b: &Number) -> bool {
    a.as_str() == b.as_str() || matches!((decimal(a.as_str()), decimal(b.as_str())), (Some(a), Some(b)) if a == b)
}

/// Sign, digits without zeros at either end, power of ten of the last digit. None if that power is absurd.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (text, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let power = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let power = power.checked_add(i64::try_from(digits.len() - kept.len()).ok()?)?;
    match kept.trim_start_matches('0') {
        "" => Some((false, String::new(), 0)),
        digits => Some((negative, digits.to_owned(), power)),
    }
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
        for (a, b) in [
            ("1", "1.0"),
            ("10e-1", "1"),
            ("0", "-0.00e7"),
            ("1E2", "100"),
            ("-0.5", "-5e-1"),
            ("1e999", "10e998"),
            ("0.010", "1e-2"),
        ] {
            assert!(same(&number(a), &number(b)), "{a} {b}");
        }
        for (a, b) in
            [("9007199254740993", "9007199254740992.0"), ("1", "-1"), ("1", "10"), ("0.1", "0.01"), ("1e999", "1e998")]
        {
            assert!(!same(&number(a), &number(b)), "{a} {b}");
        }
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
