//! Which bytes of an object are wanted.

use http::StatusCode;

use super::answer::Failure;

/// The first and the last of them, of an object of this length.
pub fn parse(header: &str, length: u64) -> Result<(u64, u64), Failure> {
    let (first, last) = header.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(odd)?;
    let last_there = length.checked_sub(1).ok_or_else(outside)?;
    let (first, last) = match (first, last) {
        ("", suffix) => {
            let suffix = number(suffix)?;
            let first = length.saturating_sub(suffix);
            (if suffix == 0 { length } else { first }, last_there)
        }
        (first, "") => (number(first)?, last_there),
        (first, last) => (number(first)?, number(last)?),
    };
    if last < first && first <= last_there {
        return Err(odd());
    }
    if first > last_there { Err(outside()) } else { Ok((first, last.min(last_there))) }
}

fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| odd())
}

/// S3 passes over such ranges and answers with all bytes; no client of ours
/// sends one, so it would be a mistake.
fn odd() -> Failure {
    Failure::bad("InvalidArgument", "the range is malformed, or more than one")
}

fn outside() -> Failure {
    Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "the requested range is not satisfiable")
}
