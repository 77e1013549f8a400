//! Spans of time, as operators say them.

use std::time::Duration;

/// Reads `20s` or `1h 30m`, of at least so much.
pub fn parse(text: &str, least: Duration) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if span >= least => Ok(span),
        Ok(_) => Err(format!("must be at least {}", crate::clock::words(least))),
        Err(_) if text.trim_start().starts_with('-') => Err("a span of time is not negative".to_owned()),
        Err(_) => Err("a span of time has units: 500ms, 20s, 5m, 1h 30m or 2days".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_units_and_a_least() {
        let second = Duration::from_secs(1);
        assert_eq!(parse("1h 30m", second), Ok(second * 5_400));
        assert_eq!(parse("1s", second), Ok(second));
        assert_eq!(parse("0s", Duration::ZERO), Ok(Duration::ZERO));
        assert_eq!(parse("999ms", second), Err("must be at least 1 second".to_owned()));
        assert_eq!(parse("-5s", second), Err("a span of time is not negative".to_owned()));
        for bad in ["", "20", "soon", "5 parsecs", "99999999999999999999s"] {
            assert!(parse(bad, second).unwrap_err().contains("has units"), "{bad}");
        }
    }
}
