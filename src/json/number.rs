//! Numbers as JSON text, by their decimal value: `1`, `1.0` and `10e-1` are the same,
//! `9007199254740993` and `9007199254740992.0` are not.

use std::{borrow::Cow, cmp::Ordering};

/// The value of a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal<'a> {
    negative: bool,
    /// Without zeros at either end; empty for 0.
    digits: Cow<'a, str>,
    /// The power of ten of the last digit.
    power: i64,
}

impl<'a> Decimal<'a> {
    /// Reads a number as JSON has it, in one pass. `None` if its power of ten is absurd.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (text, negative) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let digits: Cow<'a, str> = match (whole, fraction) {
            ("", "") => return Some(Self { negative: false, digits: "".into(), power: 0 }),
            (whole, "") => whole.trim_end_matches('0').into(),
            ("", fraction) => fraction.trim_start_matches('0').into(),
            _ => format!("{whole}{fraction}").into(),
        };
        let zeros = if fraction.is_empty() { whole.len() - digits.len() } else { 0 };
        let power = exponent.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Self { negative, digits, power: power.checked_add(i64::try_from(zeros).ok()?)? })
    }

    /// Apart from the text that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Decimal<'static> {
        Decimal { negative: self.negative, digits: self.digits.into_owned().into(), power: self.power }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    /// The power of ten of the first digit, and all digits: the greater the greater.
    fn magnitude(&self) -> (i128, &str) {
        (self.digits.len() as i128 + i128::from(self.power), &self.digits)
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sign().cmp(&other.sign()).then_with(|| match self.sign() {
            0 => Ordering::Equal,
            1 => self.magnitude().cmp(&other.magnitude()),
            _ => other.magnitude().cmp(&self.magnitude()),
        })
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Decimal<'_> {
        Decimal::read(text).unwrap()
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
            ("20.50", "2.05e1"),
            ("100.0", "0.001e+5"),
            ("0e99999999999999999999", "0"),
        ] {
            assert_eq!(read(a), read(b), "{a} {b}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = [
            "-1e999",
            "-100",
            "-99.5",
            "-1",
            "-0.1",
            "-1e-9",
            "0",
            "1e-999",
            "0.01",
            "0.1",
            "0.12",
            "1",
            "1.5",
            "2",
            "10",
            "12.5",
            "12.50001",
            "9007199254740992",
            "9007199254740993",
            "1e17",
            "1e998",
            "1e999",
        ];
        for (at, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(read(a).cmp(&read(b)), at.cmp(&other), "{a} {b}");
            }
        }
    }

    #[test]
    fn an_absurd_exponent_has_no_value() {
        assert_eq!(Decimal::read("1e99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn whole_numbers_agree_with_machine_integers(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(read(&a.to_string()).cmp(&read(&b.to_string())), a.cmp(&b));
        }

        /// Whole numbers, with a point and a power of ten that make up for each other.
        #[test]
        fn the_same_number_is_equal_however_it_is_written(a in -1000..1000_i32, b in -1000..1000_i32, shift in 0..5_usize) {
            let (sign, digits) = (if a < 0 { "-" } else { "" }, format!("{:05}", a.abs()));
            let (whole, fraction) = digits.split_at(5 - shift);
            let whole = match whole.trim_start_matches('0') { "" => "0", whole => whole };
            let other = if shift == 0 { format!("{sign}{whole}.00") } else { format!("{sign}{whole}.{fraction}0e{shift}") };
            let [plain, b_plain] = [a, b].map(|n| n.to_string());
            prop_assert_eq!(&read(&other), &read(&plain), "{}", other);
            prop_assert_eq!(read(&other).cmp(&read(&b_plain)), a.cmp(&b));
        }
    }
}
