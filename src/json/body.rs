//! The door for JSON bodies: what passes here is never questioned again.
//!
//! One pass checks the whole document (an object, no duplicate keys at any depth, depth, surrogates) and cuts
//! the top-level `_id` and `_event_time` out. Every other byte stays as it was: number text, key order and
//! escapes are the client's.

use std::ops::Range;

use bytes::Bytes;
use chrono::DateTime;

use super::keys::Keys;
use super::scan::{Cursor, Kind, ScanError};

pub use super::scan::MAX_DEPTH;

/// The longest document id, in bytes.
pub const MAX_ID_BYTES: usize = 1024;

/// The range of google.protobuf.Timestamp, in microseconds: the years 0001 to 9999.
pub const EVENT_TIME_RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// serde_json gives these keys a meaning of its own (an arbitrary number, embedded raw JSON), so a `Value`
/// would not read them back as keys; the raw one would even smuggle in JSON that nobody has checked.
const RESERVED_PREFIX: &str = "$serde_json::private::";

/// What a JSON body held besides its own fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifted {
    /// The object without top-level `_id` and `_event_time`; every other byte as it was.
    pub body: Bytes,
    /// Its top-level `_id`.
    pub id: Option<String>,
    /// Microseconds since the epoch; finer digits are cut off, towards the past.
    pub event_time: Option<i64>,
}

/// Why bytes are not a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum BodyError {
    #[error("body is not UTF-8 from byte {at}")]
    InvalidUtf8 { at: usize },
    #[error("body is not JSON: {what} at byte {at}")]
    Syntax { what: &'static str, at: usize },
    #[error("body is {found}, not a JSON object")]
    NotAnObject { found: &'static str },
    #[error("key {path} occurs twice in its object")]
    DuplicateKey { path: String },
    #[error("key {path} is reserved: no key may begin with {RESERVED_PREFIX}")]
    ReservedKey { path: String },
    #[error("body is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    #[error("_id is {found}, not a string")]
    BadId { found: &'static str },
    #[error("_event_time {why}")]
    BadEventTime { why: &'static str },
    #[error("value at {path} {why}")]
    InvalidValue { path: String, why: &'static str },
}

impl From<ScanError> for BodyError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Syntax { what, at } => Self::Syntax { what, at },
            ScanError::TooDeep { .. } => Self::TooDeep,
        }
    }
}

impl BodyError {
    /// Paths are built on the way out, so that a good document pays nothing for them.
    pub(super) fn inside(mut self, step: impl std::fmt::Display) -> Self {
        if let Self::DuplicateKey { path } | Self::ReservedKey { path } | Self::InvalidValue { path, .. } = &mut self {
            *path = join(&step.to_string(), path);
        }
        self
    }
}

/// JSON Pointer, each step and the whole cut to a length that fits a message.
pub(super) fn join(step: &str, path: &str) -> String {
    const LONGEST_STEP: usize = 64;
    const LONGEST_PATH: usize = 512;
    let mut joined = String::from("/");
    for c in step.chars().take(LONGEST_STEP) {
        match c {
            '~' => joined.push_str("~0"),
            '/' => joined.push_str("~1"),
            c => joined.push(c),
        }
    }
    joined.push_str(if step.chars().nth(LONGEST_STEP).is_some() { "…" } else { "" });
    joined.push_str(if path.len() > LONGEST_PATH { "/…" } else { path });
    joined
}

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text is its documentation")]
pub enum IdError {
    #[error("id is empty")]
    Empty,
    #[error("id has {length} bytes, more than {MAX_ID_BYTES}")]
    TooLong { length: usize },
    #[error("id has the control character U+{:04X} at byte {at}", u32::from(*.character))]
    ControlCharacter { character: char, at: usize },
}

/// Ids are 1 to 1024 bytes of UTF-8 without control characters (neither C0 nor C1).
pub fn check_id(id: &str) -> Result<(), IdError> {
    if id.is_empty() {
        return Err(IdError::Empty);
    }
    if id.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong { length: id.len() });
    }
    match id.char_indices().find(|(_, c)| c.is_control()) {
        None => Ok(()),
        Some((at, character)) => Err(IdError::ControlCharacter { character, at }),
    }
}

/// Checks a body and takes `_id` and `_event_time` out of it. The size is the caller's to limit, and so is
/// the id: it is compared with the outer field first, then checked with [`check_id`].
pub fn lift(json: &[u8]) -> Result<Lifted, BodyError> {
    let text = utf8(json)?;
    let mut cursor = Cursor::new(text);
    let kind = cursor.kind()?;
    if kind != Kind::Object {
        return Err(BodyError::NotAnObject { found: kind.name() });
    }
    let begin = cursor.at();
    let (mut id, mut event_time) = (None, None);
    let mut keys = Keys::default();
    let mut names = keys.open();
    let mut cuts = Cuts::default();
    cursor.object(|cursor, key, start| {
        let name = key.decode();
        keys.insert(&mut names, &name, name.clone())?;
        match &*name {
            "_id" => id = Some(read_id(cursor)?),
            "_event_time" => event_time = Some(read_event_time(cursor)?),
            _ => {
                check(cursor, &mut keys).map_err(|error| error.inside(&name))?;
                cuts.keep(start, cursor.at());
                return Ok(());
            }
        }
        cuts.lift(start, cursor.at());
        Ok::<(), BodyError>(())
    })?;
    let end = cursor.at();
    cursor.finish()?;
    Ok(Lifted { body: cuts.apply(json, begin..end), id, event_time })
}

/// Checks any JSON value, such as one in a patch, by the rules of a body. Nothing is lifted.
pub fn check_value(json: &[u8]) -> Result<(), BodyError> {
    let mut cursor = Cursor::new(utf8(json)?);
    check(&mut cursor, &mut Keys::default())?;
    Ok(cursor.finish()?)
}

/// serde_json's private keys are refused wherever a body can come from.
pub(super) fn is_reserved(key: &str) -> bool {
    key.starts_with(RESERVED_PREFIX)
}

pub(super) fn utf8(json: &[u8]) -> Result<&str, BodyError> {
    simdutf8::basic::from_utf8(json).map_err(|_| {
        let at = std::str::from_utf8(json).err().map_or(0, |error| error.valid_up_to());
        BodyError::InvalidUtf8 { at }
    })
}

fn check<'a>(cursor: &mut Cursor<'a>, keys: &mut Keys<'a>) -> Result<(), BodyError> {
    match cursor.kind()? {
        Kind::Object => {
            let mut names = keys.open();
            cursor.object(|cursor, key, _| {
                let name = key.decode();
                keys.insert(&mut names, &name, name.clone())?;
                match cursor.kind()? {
                    Kind::Object | Kind::Array => check(cursor, keys).map_err(|error| error.inside(&name)),
                    _ => Ok(cursor.skip_scalar()?),
                }
            })?;
            keys.close(&names);
            Ok(())
        }
        Kind::Array => cursor.array(|cursor, index| check(cursor, keys).map_err(|error| error.inside(index))),
        _ => Ok(cursor.skip_scalar()?),
    }
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<String, BodyError> {
    match cursor.kind()? {
        Kind::String => Ok(cursor.string()?.decode().into_owned()),
        other => Err(BodyError::BadId { found: other.name() }),
    }
}

fn read_event_time(cursor: &mut Cursor<'_>) -> Result<i64, BodyError> {
    let bad = |why| BodyError::BadEventTime { why };
    let micros = match cursor.kind()? {
        Kind::String => DateTime::parse_from_rfc3339(&cursor.string()?.decode())
            .map_err(|_| bad("is not an RFC 3339 time with an offset, such as 2026-01-31T12:00:00Z"))?
            .timestamp_micros(),
        Kind::Number => {
            let text = cursor.number()?;
            if text.contains(['.', 'e', 'E']) {
                return Err(bad("is not an integer number of milliseconds"));
            }
            text.parse::<i64>().ok().and_then(|millis| millis.checked_mul(1000)).ok_or(bad("is out of range"))?
        }
        _ => {
            return Err(bad("is neither an RFC 3339 string nor a number of milliseconds"));
        }
    };
    if EVENT_TIME_RANGE.contains(&micros) { Ok(micros) } else { Err(bad("lies outside the years 0001 to 9999")) }
}

/// Which bytes of the object go: each lifted member with exactly one comma beside it.
#[derive(Default)]
struct Cuts {
    /// Two members can be lifted, so there are at most two cuts.
    done: [Range<usize>; 2],
    count: usize,
    /// Lifted members not yet followed by a kept one.
    open: Option<Range<usize>>,
    last_kept: Option<usize>,
}

impl Cuts {
    #[inline]
    fn keep(&mut self, start: usize, end: usize) {
        if let Some(open) = self.open.take() {
            self.push(open.start..start);
        }
        self.last_kept = Some(end);
    }

    fn lift(&mut self, start: usize, end: usize) {
        let start = self.open.as_ref().map_or(start, |open| open.start);
        self.open = Some(start..end);
    }

    fn push(&mut self, cut: Range<usize>) {
        if let Some(slot) = self.done.get_mut(self.count) {
            *slot = cut;
            self.count += 1;
        }
    }

    fn apply(mut self, json: &[u8], object: Range<usize>) -> Bytes {
        // No comma follows the last members, so the one before them goes instead.
        if let Some(open) = self.open.take() {
            self.push(self.last_kept.unwrap_or(open.start)..open.end);
        }
        let mut body = Vec::with_capacity(object.len());
        let mut from = object.start;
        for cut in self.done.into_iter().take(self.count) {
            body.extend_from_slice(json.get(from..cut.start).unwrap_or_default());
            from = cut.end;
        }
        body.extend_from_slice(json.get(from..object.end).unwrap_or_default());
        Bytes::from(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Value;

    fn body(json: &str) -> String {
        String::from_utf8(lift(json.as_bytes()).unwrap().body.to_vec()).unwrap()
    }

    fn refusal(json: &str) -> BodyError {
        lift(json.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_body_without_special_members_is_copied_and_trimmed() {
        assert_eq!(body(" \n{ \"b\" : 1.50 ,\t\"a\":[ ] } \r\n"), "{ \"b\" : 1.50 ,\t\"a\":[ ] }");
        assert_eq!(body("{}"), "{}");
    }

    #[test]
    fn one_comma_goes_with_each_lifted_member() {
        for (json, rest) in [
            (r#"{"_id":"x","a":1}"#, r#"{"a":1}"#),
            (r#"{ "_id" : "x" , "a" : 1 }"#, r#"{ "a" : 1 }"#),
            (r#"{"a":1 , "_id":"x" }"#, r#"{"a":1 }"#),
            (r#"{"a":1, "_id":"x", "b":2}"#, r#"{"a":1, "b":2}"#),
            (r#"{ "_id":"x" }"#, "{  }"),
            (r#"{"_id":"x","_event_time":0}"#, "{}"),
            (r#"{"_id":"x","a":1,"_event_time":0}"#, r#"{"a":1}"#),
            (r#"{"a":1,"_id":"x","_event_time":0}"#, r#"{"a":1}"#),
            (r#"{"a":1,"_id":"x","b":2,"_event_time":0,"c":3}"#, r#"{"a":1,"b":2,"c":3}"#),
            (r#"{"_event_time":0,"_id":"x","a":{"_id":1}}"#, r#"{"a":{"_id":1}}"#),
        ] {
            assert_eq!(body(json), rest, "{json}");
        }
    }

    #[test]
    fn an_escaped_id_is_still_the_id() {
        let lifted = lift(br#"{"\u005fid":"a\u00e9\ud83d\ude00\n"}"#).unwrap();
        assert_eq!((lifted.id.as_deref(), &lifted.body[..]), (Some("aé😀\n"), &b"{}"[..]));
    }

    #[test]
    fn event_time_is_rfc_3339_or_milliseconds() {
        for (value, micros) in [
            ("0", 0),
            ("-1", -1000),
            ("1700000000123", 1_700_000_000_123_000),
            (r#""1970-01-01T00:00:00Z""#, 0),
            (r#""1970-01-01T01:00:00.0000019+01:00""#, 1),
            (r#""1969-12-31T23:59:59.9999999Z""#, -1),
            (r#""0001-01-01T00:00:00Z""#, *EVENT_TIME_RANGE.start()),
            (r#""9999-12-31T23:59:59.999999Z""#, *EVENT_TIME_RANGE.end()),
        ] {
            let lifted = lift(format!(r#"{{"_event_time":{value}}}"#).as_bytes()).unwrap();
            assert_eq!(lifted.event_time, Some(micros), "{value}");
        }
        for value in ["1.5", "1e3", "true", "null", "{}", "99999999999999999999", "9223372036854775", "253402300800000"]
        {
            assert!(
                matches!(refusal(&format!(r#"{{"_event_time":{value}}}"#)), BodyError::BadEventTime { .. }),
                "{value}"
            );
        }
        for value in
            ["", "2026-01-31", "2026-01-31T12:00:00", "yesterday", "0001-01-01T00:00:00+01:00", "2026-02-30T00:00:00Z"]
        {
            assert!(
                matches!(refusal(&format!(r#"{{"_event_time":"{value}"}}"#)), BodyError::BadEventTime { .. }),
                "{value}"
            );
        }
    }

    #[test]
    fn an_id_that_is_no_string_is_refused() {
        assert_eq!(refusal(r#"{"_id":7}"#), BodyError::BadId { found: "a number" });
        assert_eq!(refusal(r#"{"_id":null}"#).to_string(), "_id is null, not a string");
    }

    #[test]
    fn duplicates_are_found_at_every_depth_and_through_escapes() {
        assert_eq!(refusal(r#"{"a":1,"\u0061":2}"#), BodyError::DuplicateKey { path: "/a".into() });
        assert_eq!(
            refusal(r#"{"x":[0,{"y/~":{"k":1,"j":2,"k":3}}]}"#),
            BodyError::DuplicateKey { path: "/x/1/y~1~0/k".into() }
        );
        assert_eq!(refusal(r#"{"_id":"a","_id":"b"}"#), BodyError::DuplicateKey { path: "/_id".into() });
        assert!(lift(br#"{"a":{"k":1},"b":{"k":1},"k":[{"k":1},{"k":1}]}"#).is_ok());
    }

    #[test]
    fn a_large_object_is_checked_in_linear_time() {
        let members: Vec<String> = (0..100_000).map(|i| format!("\"key{i}\":0")).collect();
        let good = format!("{{{}}}", members.join(","));
        assert!(lift(good.as_bytes()).is_ok());
        for twice in [0, 31, 32, 33, 99_999] {
            let bad = format!("{{{},\"key{twice}\":1}}", members.join(","));
            assert_eq!(refusal(&bad), BodyError::DuplicateKey { path: format!("/key{twice}") });
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(lift(nested(99).as_bytes()).is_ok());
        assert_eq!(refusal(&nested(100)), BodyError::TooDeep);
        assert_eq!(refusal(&format!("{{\"a\":{}", "[".repeat(1 << 20))), BodyError::TooDeep);
        assert_eq!(refusal(&"{\"a\":".repeat(1 << 20)), BodyError::TooDeep);
        assert_eq!(refusal(&"[".repeat(1 << 20)), BodyError::NotAnObject { found: "an array" });
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        assert_eq!(refusal("[]"), BodyError::NotAnObject { found: "an array" });
        assert_eq!(lift(b"{\"a\":\"\xff\"}").unwrap_err(), BodyError::InvalidUtf8 { at: 6 });
        for json in [
            "",
            " ",
            "{",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1}}",
            "{} x",
            "{a:1}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":tru}",
            "{\"a\":nul}",
            "{\"a\":\"\n\"}",
            "{\"a\":[1,]}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\udc00\"}",
            "{\"a\":\"\\ud800\\u0041\"}",
            "\u{feff}{}",
            "{\"a\":\"",
            "{\"a\":\"\\u12\"}",
        ] {
            assert!(matches!(refusal(json), BodyError::Syntax { .. }), "{json}");
        }
    }

    #[test]
    fn keys_private_to_serde_json_are_refused() {
        for key in ["$serde_json::private::Number", "\\u0024serde_json::private::RawValue"] {
            let json = format!(r#"{{"x":[{{"a":1,"{key}":"[[["}}]}}"#);
            assert!(matches!(refusal(&json), BodyError::ReservedKey { .. }), "{json}");
        }
    }

    #[test]
    fn long_paths_are_cut() {
        let json = format!("{}{{\"k\":0,\"k\":0}}{}", format!("{{\"{}\":", "k".repeat(500)).repeat(90), "}".repeat(90));
        assert!(refusal(&json).to_string().len() < 1000);
    }

    #[test]
    fn ids_have_a_length_and_no_control_characters() {
        assert_eq!(check_id("ok é 😀"), Ok(()));
        assert_eq!(check_id(&"x".repeat(1024)), Ok(()));
        assert_eq!(check_id(""), Err(IdError::Empty));
        assert_eq!(check_id(&"é".repeat(513)), Err(IdError::TooLong { length: 1026 }));
        assert_eq!(check_id("a\u{85}").unwrap_err().to_string(), "id has the control character U+0085 at byte 1");
        assert_eq!(check_id("\u{7f}"), Err(IdError::ControlCharacter { character: '\u{7f}', at: 0 }));
    }

    fn space() -> impl Strategy<Value = String> {
        "[ \t\r\n]{0,2}"
    }

    /// A JSON text with odd spacing and odd numbers, as clients send it.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,4})?",
            "\\PC{0,8}".prop_map(|s| serde_json::to_string(&s).unwrap()),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                vec((space(), inner.clone(), space()), 0..5).prop_map(|items| format!(
                    "[{}]",
                    items.iter().map(|(a, v, b)| format!("{a}{v}{b}")).collect::<Vec<_>>().join(",")
                )),
                vec((space(), inner, space()), 0..5).prop_map(|items| {
                    let members = items.iter().enumerate().map(|(i, (a, v, b))| format!("{a}\"k{i}\"{b}:{a}{v}{b}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn lifting_leaves_every_other_member_as_it_was(
            values in vec((space(), json(), space()), 0..6), id in prop::option::of(0..7_usize), time in prop::option::of(0..7_usize),
        ) {
            let kept: Vec<String> = values.iter().enumerate().map(|(i, (a, v, b))| format!("\"m{i}\"{a}:{b}{v}")).collect();
            let mut members = kept.clone();
            if let Some(at) = id { members.insert(at.min(members.len()), "\"_id\" : \"x\"".into()); }
            if let Some(at) = time { members.insert(at.min(members.len()), "\"_event_time\":5".into()); }
            // Spacing at one side of each comma only, so that what must remain is plain to state.
            let lifted = lift(format!(" {{{}}} ", members.join(", ")).as_bytes()).unwrap();
            prop_assert_eq!(std::str::from_utf8(&lifted.body).unwrap(), format!("{{{}}}", kept.join(", ")));
            prop_assert_eq!((lifted.id.is_some(), lifted.event_time), (id.is_some(), time.map(|_| 5000)));
        }

        #[test]
        fn whatever_is_accepted_parses_as_a_value(json in json(), spot in any::<prop::sample::Index>(), byte in prop::sample::select(&b"{}[]\",:\\u0e-. $tn\x01"[..])) {
            let text = format!("{{\"a\":{json}}}");
            prop_assert!(lift(text.as_bytes()).is_ok(), "{}", text);
            let mut mutated = text.into_bytes();
            let at = spot.index(mutated.len());
            mutated[at] = byte;
            let theirs = serde_json::from_slice::<Value>(&mutated);
            match lift(&mutated) {
                Ok(lifted) => {
                    prop_assert!(theirs.is_ok_and(|v| v.is_object()), "{}", String::from_utf8_lossy(&mutated));
                    prop_assert!(serde_json::from_slice::<Value>(&lifted.body).is_ok());
                }
                // And nothing is refused for its syntax that serde_json takes.
                Err(BodyError::Syntax { .. } | BodyError::InvalidUtf8 { .. }) => prop_assert!(theirs.is_err(), "{}", String::from_utf8_lossy(&mutated)),
                Err(_) => {}
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..64), text in "[{}\\[\\]\",:\\\\u0-9ea-f _idtrue]{0,40}") {
            let _ = (lift(&bytes), check_value(&bytes));
            if let Ok(lifted) = lift(text.as_bytes()) {
                prop_assert!(serde_json::from_slice::<Value>(&lifted.body).is_ok());
            }
        }
    }
}
