//! `grpc-timeout`, the deadline that a client sends.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tonic::Status;

use crate::rpc::status::of_protocol;

const NAME: &str = "grpc-timeout";

/// How long a call may take; of several times the shortest.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let times: Result<Vec<_>, _> = headers.get_all(NAME).iter().map(|sent| read(sent).ok_or(sent)).collect();
    match times {
        Ok(times) => Ok(times.into_iter().min()),
        // Passed over, the call would have no deadline at all.
        Err(sent) => {
            let sent = String::from_utf8_lossy(sent.as_bytes());
            let why = format!("{NAME} must be 1 to 8 digits and one of H, M, S, m, u, n; it is {sent:?}");
            Err(of_protocol(&why))
        }
    }
}

fn read(sent: &HeaderValue) -> Option<Duration> {
    let text = sent.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn sent(texts: &[&str]) -> Result<Option<Duration>, Status> {
        let mut headers = HeaderMap::new();
        for text in texts {
            headers.append(NAME, HeaderValue::from_bytes(text.as_bytes()).unwrap());
        }
        timeout(&headers)
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(sent(&[]).unwrap(), None);
        assert_eq!(sent(&["100m"]).unwrap(), Some(Duration::from_millis(100)));
        assert_eq!(sent(&["2H"]).unwrap(), Some(Duration::from_secs(7200)));
        assert_eq!(sent(&["99999999H"]).unwrap(), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(sent(&["0n"]).unwrap(), Some(Duration::ZERO));
        assert_eq!(sent(&["2S", "1S", "3S"]).unwrap(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["", "m", "abc", "123456789m", "1x", "-1S", "+1S", "1", "1.5S", " 1S", "1s", "1 S", "1é"] {
            let refused = sent(&[bad]).unwrap_err();
            assert_eq!(refused.get_details_error_info().unwrap().reason, "PROTOCOL_ERROR", "{bad}");
        }
        sent(&["1S", "x"]).unwrap_err();
    }
}
