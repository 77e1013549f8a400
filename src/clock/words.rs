//! Spans of time for people.

use std::time::Duration;

const UNITS: [(u128, &str); 7] = [
    (86_400_000_000_000, "day"),
    (3_600_000_000_000, "hour"),
    (60_000_000_000, "minute"),
    (1_000_000_000, "second"),
    (1_000_000, "millisecond"),
    (1_000, "microsecond"),
    (1, "nanosecond"),
];

/// A span in days, hours, minutes and seconds, as exact as it is: nobody has to guess how
/// long a month is.
#[must_use]
pub fn words(span: Duration) -> String {
    let mut left = span.as_nanos();
    let mut said = Vec::new();
    for (unit, name) in UNITS {
        let count = left / unit;
        left %= unit;
        match count {
            0 => {}
            1 => said.push(format!("1 {name}")),
            _ => said.push(format!("{count} {name}s")),
        }
    }
    if said.is_empty() { "0 seconds".to_owned() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_span_is_said_as_it_was_asked_for() {
        for (seconds, said) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "1 minute 30 seconds"),
            (3_600, "1 hour"),
            (90 * 86_400, "90 days"),
            (400 * 86_400 + 60, "400 days 1 minute"),
        ] {
            assert_eq!(words(Duration::from_secs(seconds)), said);
        }
        assert_eq!(words(Duration::from_millis(100)), "100 milliseconds");
        assert_eq!(words(Duration::new(1, 2_000_003)), "1 second 2 milliseconds 3 nanoseconds");
    }

    proptest! {
        #[test]
        fn nothing_of_it_is_lost(seconds in any::<u32>(), nanos in 0_u32..1_000_000_000) {
            let span = Duration::new(seconds.into(), nanos);
            let said = words(span);
            let said: Vec<_> = said.split(' ').collect();
            let parts = said.chunks(2).map(|part| {
                let unit = UNITS.iter().find(|(_, name)| *name == part[1].trim_end_matches('s')).unwrap().0;
                part[0].parse::<u128>().unwrap() * unit
            });
            prop_assert_eq!(parts.sum::<u128>(), span.as_nanos());
        }
    }
}
