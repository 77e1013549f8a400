//! The id of a call: what a caller quotes and an operator finds in the log.

use std::fmt;

use http::{HeaderMap, HeaderValue};

use crate::clock::new_uid;

/// The header that bears it, in both directions.
pub const HEADER: &str = "x-request-id";
/// The longest that is taken over from a caller.
const LONGEST: usize = 64;

/// An id of at most 64 letters, digits and `-_.:/+=@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's own, if it sent one that is good for a log; else a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(HEADER).and_then(|id| id.to_str().ok());
        Self(sent.filter(|id| is_good(id)).map_or_else(new, str::to_owned))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the value of its header.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_good(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= LONGEST
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte))
}

/// The random half of a uid is enough to find a call in a log.
fn new() -> String {
    format!("{:016x}", new_uid().as_u64_pair().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(sent: &[u8]) -> RequestId {
        let headers = [(http::HeaderName::from_static(HEADER), HeaderValue::from_bytes(sent).unwrap())];
        RequestId::of(&headers.into_iter().collect())
    }

    #[test]
    fn a_callers_own_id_is_taken_over_if_it_is_good_for_a_log() {
        for good in ["a", "01J-x_y.z:1/2+3=@", &"x".repeat(LONGEST)] {
            assert_eq!(taken(good.as_bytes()).as_str(), good);
        }
        for bad in [&b""[..], b"a b", b"a\tb", b"\"", b"a=\xff", &[b'x'; LONGEST + 1]] {
            let id = taken(bad);
            assert!(id.as_str().as_bytes() != bad && is_good(id.as_str()) && id.as_str().len() == 16, "{bad:?}");
        }
    }

    #[test]
    fn without_one_each_call_has_its_own() {
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
