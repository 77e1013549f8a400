//! Whether somebody has made a key up. What the server and `openssl rand -hex 32` make is
//! random; what a person types to get on with it is one digit, a row of them, or a word again
//! and again.

use std::collections::{BTreeMap, BTreeSet};

/// Of 64 random digits, fewer are different about once in 10^14 times.
const LEAST_DIFFERENT: usize = 10;

/// What speaks against digits of a key being random: they must have ten different ones at
/// least, no more than half of the steps from one to the next may be alike, and the second
/// half may not be had by repeating what is before it.
pub fn made_up(digits: &str) -> Option<&'static str> {
    let digits: Vec<u32> = digits.chars().filter_map(|digit| digit.to_digit(16)).collect();
    if digits.iter().collect::<BTreeSet<_>>().len() < LEAST_DIFFERENT {
        return Some("it has fewer than ten different digits");
    }
    let mut steps = BTreeMap::<u32, usize>::new();
    digits.windows(2).for_each(|pair| *steps.entry((pair[1] + 16 - pair[0]) % 16).or_default() += 1);
    if steps.values().any(|alike| alike * 2 > digits.len() - 1) {
        return Some("its digits are in a row");
    }
    if (1..=digits.len() / 2).any(|period| digits[period..] == digits[..digits.len() - period]) {
        return Some("it repeats itself");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "6f0d3a91c27be85f04d6a8137c9be25018f3d47ab6e09c5d21873fea40b95c6d";

    #[test]
    fn what_people_type_is_told_and_what_is_random_is_not() {
        assert_eq!(made_up(RANDOM), None);
        let word = |word: &str| word.repeat(64 / word.len());
        for typed in ["0", "a", "12", "deadbeef", "cafebabedeadbeef", "00112233"] {
            assert_eq!(made_up(&word(typed)), Some("it has fewer than ten different digits"), "{typed}");
        }
        for row in ["0123456789abcdef", "fedcba9876543210", "02468ace13579bdf", "0123456789"] {
            let row = &row.repeat(7)[..64];
            assert_eq!(made_up(row), Some("its digits are in a row"), "{row}");
        }
        let slow: String = "0123456789abcdef".chars().flat_map(|digit| [digit; 4]).collect();
        assert_eq!(made_up(&slow), Some("its digits are in a row"));
        assert_eq!(made_up(&word("5f04d6a8137c9be2")), Some("it repeats itself"));
    }

    #[test]
    fn the_edges_of_the_rule() {
        // Nine and ten different digits, in no order.
        let few = |digits: &str| -> String {
            let digits = digits.as_bytes();
            (0..64_usize).map(|n| char::from(digits[(n * n / 3 + n * 7 + n / 5) % digits.len()])).collect()
        };
        assert_eq!(made_up(&few("012345678")), Some("it has fewer than ten different digits"));
        assert_eq!(made_up(&few("0123456789")), None);
        // 31 steps of 63 alike, and 32: no digit of the rest is one behind another.
        let (row, rest) = ("0123456789abcdef".repeat(2), "6fd3a91c27be85f4d6a8137c9be2508f");
        assert_eq!(made_up(&format!("{row}{rest}")), None);
        assert_eq!(made_up(&format!("{row}0{}", &rest[1..])), Some("its digits are in a row"));
        // A period of half of it, and of one more.
        let half = &RANDOM[..32];
        assert_eq!(made_up(&half.repeat(2)), Some("it repeats itself"));
        let more = &RANDOM[..33];
        assert_eq!(made_up(&format!("{more}{}", &more[..31])), None);
    }
}
