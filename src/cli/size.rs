//! Numbers of bytes, as operators say them.

/// Powers of 1000 and of 1024. Neither is meant by a bare `K` or `G`: people mean both.
const UNITS: [(&str, u128); 11] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("pb", 1_000_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("pib", 1 << 50),
];
/// More are not told apart by any size.
const MOST_DECIMALS: usize = 15;
const EXAMPLES: &str = "a size is a number of bytes, or has a unit: 512MiB (of 1024s) or 10TB (of 1000s)";

/// Reads `512MiB`, `1.5TB` or a number of bytes; between `least` and `most` it must be.
pub fn parse(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("a size is not negative".to_owned());
    }
    let number = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..number], text[number..].trim_start().to_ascii_lowercase());
    let unit = match unit.as_str() {
        "" => 1,
        "k" | "m" | "g" | "t" | "p" => {
            let unit = unit.to_ascii_uppercase();
            return Err(format!("{unit} may be {unit}B (of 1000s) or {unit}iB (of 1024s): say which"));
        }
        named => match UNITS.iter().find(|(name, _)| *name == named) {
            Some((_, bytes)) => *bytes,
            None => return Err(EXAMPLES.to_owned()),
        },
    };
    let bytes = times(number, unit).ok_or_else(|| EXAMPLES.to_owned())?;
    match u64::try_from(bytes) {
        Ok(bytes) if bytes < least => Err(format!("must be at least {}", shown(least))),
        Ok(bytes) if bytes <= most => Ok(bytes),
        _ => Err(format!("must be at most {}", shown(most))),
    }
}

/// A decimal number of units, in bytes, rounded down; what is too large for anything is
/// the largest there is.
fn times(number: &str, unit: u128) -> Option<u128> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > MOST_DECIMALS {
        return None;
    }
    let whole: u128 = whole.parse().unwrap_or(u128::MAX);
    let part = decimals.parse::<u128>().ok()? * unit / 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    Some(whole.saturating_mul(unit).saturating_add(part))
}

/// A number of bytes as an operator would say it.
fn shown(bytes: u64) -> String {
    let fits = UNITS.iter().filter(|(_, unit)| bytes > 0 && u128::from(bytes).is_multiple_of(*unit));
    match fits.max_by_key(|(_, unit)| *unit) {
        Some((name, unit)) if *unit > 1 => {
            let name = name.to_ascii_uppercase().replace("IB", "iB");
            format!("{}{name}", u128::from(bytes) / unit)
        }
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<u64, String> {
        parse(text, 0, u64::MAX)
    }

    #[test]
    fn decimal_and_binary_units_are_told_apart() {
        for (text, bytes) in [
            ("0", 0),
            ("1", 1),
            ("7B", 7),
            ("10TB", 10_000_000_000_000),
            ("10 tb", 10_000_000_000_000),
            ("1kB", 1_000),
            ("1KiB", 1_024),
            ("512MiB", 512 << 20),
            ("512mib", 512 << 20),
            ("1.5GiB", 3 << 29),
            ("0.5kB", 500),
            ("1.5", 1),
            ("18446744073709551615", u64::MAX),
            ("2PiB", 2 << 50),
        ] {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_an_example() {
        for text in ["", "MiB", "ten", "10%", "1.MiB", ".5MiB", "1.2.3", "1,5GB", "0x10", "+1", "1e9", "10XB", "1 0"] {
            assert_eq!(read(text), Err(EXAMPLES.to_owned()), "{text}");
        }
        assert_eq!(read("-1"), Err("a size is not negative".to_owned()));
        assert_eq!(read("-1GB"), Err("a size is not negative".to_owned()));
        assert_eq!(read("10G"), Err("G may be GB (of 1000s) or GiB (of 1024s): say which".to_owned()));
    }

    #[test]
    fn what_is_too_small_or_too_large_says_how_much_may_be() {
        let most = u64::try_from(i64::MAX).unwrap();
        assert_eq!(parse("31MiB", 32 << 20, most), Err("must be at least 32MiB".to_owned()));
        assert_eq!(parse("0", 1, most), Err("must be at least 1 bytes".to_owned()));
        let large = Err("must be at most 9223372036854775807 bytes".to_owned());
        for text in ["9223372036854775808", "99999999PB", "99999999999999999999999999999999999999999999999PB"] {
            assert_eq!(parse(text, 1, most), large, "{text}");
        }
        assert_eq!(read("18446744073709551616"), Err("must be at most 18446744073709551615 bytes".to_owned()));
    }

    #[test]
    fn a_size_is_shown_in_the_largest_unit_that_fits() {
        let shown: Vec<_> = [32 << 20, 10_000_000_000_000, 1_000, 1_024, 7, 0].map(shown).into();
        assert_eq!(shown, ["32MiB", "10TB", "1KB", "1KiB", "7 bytes", "0 bytes"]);
    }
}
