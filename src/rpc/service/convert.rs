//! Conversions that several services share.

use std::collections::BTreeMap;

use prost::Message;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    access::Caller,
    clock::{Micros, duration},
    error::Violations,
    idempotency::Request,
    names::Id,
};

pub const MAX_DESCRIPTION_BYTES: usize = 4096;
pub const MAX_LABELS: usize = 64;
pub const MAX_LABEL_KEY_BYTES: usize = 63;
pub const MAX_LABEL_VALUE_BYTES: usize = 255;
pub const MAX_REQUEST_ID_BYTES: usize = 128;
/// 0001-01-01 and 9999-12-31, the range of `google.protobuf.Timestamp`.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A stored time on the wire.
pub fn timestamp(micros: Micros) -> prost_types::Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0);
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// A time from the wire; digits below a microsecond are cut towards the past.
pub fn micros_of(time: &prost_types::Timestamp) -> Result<Micros, &'static str> {
    let in_range = TIMESTAMP_SECONDS.contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
    if !in_range {
        return Err(
            "must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z, with nanos from 0 to 999,999,999",
        );
    }
    Ok(time.seconds * 1_000_000 + i64::from(time.nanos) / 1000)
}

/// A span on the wire.
pub fn proto_duration(micros: Micros) -> prost_types::Duration {
    // Spans are never so long that they do not fit.
    prost_types::Duration::try_from(duration(micros)).unwrap_or_default()
}

/// A span from the wire.
pub fn span_of(span: &prost_types::Duration) -> Result<Micros, &'static str> {
    // Both parts of a duration have its sign.
    let is_sound = span.seconds >= 0 && (0..1_000_000_000).contains(&span.nanos);
    let micros = span.seconds.checked_mul(1_000_000).and_then(|s| s.checked_add(i64::from(span.nanos) / 1000));
    micros.filter(|micros| is_sound && *micros > 0).ok_or("must be a positive duration")
}

/// The id of a new resource; empty: the server makes one.
pub fn new_id(bad: &mut Violations, field: &str, text: &str) -> Option<Id> {
    if text.is_empty() { None } else { bad.check(field, text.parse()) }
}

/// A uid from the wire; empty is none.
pub fn uid_of(text: &str) -> Result<Option<Uuid>, &'static str> {
    if text.is_empty() { Ok(None) } else { Uuid::parse_str(text).map(Some).map_err(|_| "must be a uid") }
}

/// Checks a description.
pub fn description(bad: &mut Violations, field: &str, text: &str) {
    if text.len() > MAX_DESCRIPTION_BYTES {
        bad.add(field, format_args!("has {} bytes; at most {MAX_DESCRIPTION_BYTES} are allowed", text.len()));
    }
}

/// Checks labels.
pub fn labels(bad: &mut Violations, field: &str, labels: &BTreeMap<String, String>) {
    if labels.len() > MAX_LABELS {
        bad.add(field, format_args!("has {} labels; at most {MAX_LABELS} are allowed", labels.len()));
    }
    for (key, value) in labels {
        if key.is_empty() || key.len() > MAX_LABEL_KEY_BYTES || key.chars().any(char::is_control) {
            bad.add(field, format_args!("a key must have 1 to {MAX_LABEL_KEY_BYTES} bytes without control characters"));
        }
        if value.len() > MAX_LABEL_VALUE_BYTES {
            bad.add(field, format_args!("a value must have at most {MAX_LABEL_VALUE_BYTES} bytes"));
        }
    }
}

/// The request to remember, if the caller named it. `rest` is the request
/// without its id: the arguments that must be the same.
pub fn request(
    bad: &mut Violations,
    method: &'static str,
    caller: &Caller,
    id: String,
    rest: &impl Message,
) -> Option<Request> {
    if id.len() > MAX_REQUEST_ID_BYTES || id.chars().any(char::is_control) {
        bad.add(
            "request_id",
            format_args!("must have at most {MAX_REQUEST_ID_BYTES} bytes without control characters"),
        );
        return None;
    }
    let fingerprint = xxh3_128(&rest.encode_to_vec());
    (!id.is_empty()).then(|| Request { method, caller: caller.name(), id, fingerprint })
}

/// The fields that an update touches.
pub struct Mask {
    paths: Option<Vec<String>>,
}

impl Mask {
    /// Reads a mask; unknown paths are violations.
    pub fn new(bad: &mut Violations, mask: Option<prost_types::FieldMask>, known: &[&str]) -> Self {
        let paths = mask.map(|mask| mask.paths);
        for path in paths.iter().flatten() {
            if path != "*" && !known.contains(&path.as_str()) {
                bad.add("update_mask", format_args!("{path:?} cannot be updated; one of {}, *", known.join(", ")));
            }
        }
        Self { paths }
    }

    /// Whether the update names a field that cannot change; `*` only means it if
    /// it has a value.
    pub fn names(&self, path: &str, is_set: bool) -> bool {
        match &self.paths {
            None => is_set,
            Some(paths) => paths.iter().any(|known| known == path || (known == "*" && is_set)),
        }
    }

    /// Whether the update touches a field, which without a mask is one that is
    /// not empty.
    pub fn touches(&self, path: &str, is_set: bool) -> bool {
        match &self.paths {
            None => is_set,
            Some(paths) => paths.iter().any(|known| known == path || known == "*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_round_trip(micros in -62_135_596_800_000_000i64..=253_402_300_799_999_999) {
            prop_assert_eq!(micros_of(&timestamp(micros)), Ok(micros));
        }
    }

    #[test]
    fn times_beyond_the_range_are_refused() {
        for (seconds, nanos) in [(253_402_300_800, 0), (-62_135_596_801, 0), (0, -1), (0, 1_000_000_000)] {
            assert!(micros_of(&prost_types::Timestamp { seconds, nanos }).is_err());
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let check = |text: &str, count: usize, key: &str| {
            let mut bad = Violations::default();
            description(&mut bad, "description", text);
            let mut all: BTreeMap<_, _> = (1..count).map(|n| (n.to_string(), String::new())).collect();
            all.insert(key.to_owned(), "v".repeat(255));
            labels(&mut bad, "labels", &all);
            bad.finish().is_ok()
        };
        assert!(check(&"d".repeat(4096), 64, &"k".repeat(63)));
        assert!(!check(&"d".repeat(4097), 64, "k"));
        assert!(!check("", 65, "k"));
        assert!(!check("", 1, &"k".repeat(64)));
        assert!(!check("", 1, ""));
    }
}
