//! Times in filters.

use chrono::DateTime;

use super::{FilterError, Literal};

/// Reads a time, in microseconds since 1970. Finer than a microsecond is refused: rounding
/// would change what `<` means.
///
/// # Errors
/// [`FilterError::Value`] when it is none.
pub fn time(field: &str, value: &Literal) -> Result<i64, FilterError> {
    let expected = "an RFC 3339 time, to the microsecond at most, such as \"2026-01-01T00:00:00Z\"";
    let time = DateTime::parse_from_rfc3339(&value.text).ok().filter(|time| time.timestamp_subsec_nanos() % 1000 == 0);
    time.map(|time| time.timestamp_micros()).ok_or_else(|| FilterError::value(field, value, expected))
}
