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
        (r#""1700000000123""#, 1_700_000_000_123_000),
        (r#""-1""#, -1000),
        (r#""1970-01-01T01:00:00.0000019+01:00""#, 1),
        (r#""1969-12-31T23:59:59.9999999Z""#, -1),
        (r#""0001-01-01T00:00:00Z""#, *EVENT_TIME_RANGE.start()),
        (r#""9999-12-31T23:59:59.999999Z""#, *EVENT_TIME_RANGE.end()),
    ] {
        let lifted = lift(format!(r#"{{"_event_time":{value}}}"#).as_bytes()).unwrap();
        assert_eq!(lifted.event_time, Some(micros), "{value}");
    }
    for value in ["1.5", "1e3", "true", "null", "{}", "99999999999999999999", "9223372036854775", "253402300800000"] {
        assert!(matches!(refusal(&format!(r#"{{"_event_time":{value}}}"#)), BodyError::BadEventTime { .. }), "{value}");
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
fn an_id_is_a_string_or_an_integer() {
    let id = |json: &str| lift(json.as_bytes()).unwrap().id;
    for (json, expected) in [
        (r#"{"_id":7}"#, "7"),
        (r#"{"_id":-0}"#, "0"),
        (r#"{"_id":18446744073709551616}"#, "18446744073709551616"),
        (r#"{"_id":"007"}"#, "007"),
    ] {
        assert_eq!(id(json).as_deref(), Some(expected), "{json}");
    }
    for json in [r#"{"_id":7.0}"#, r#"{"_id":7e0}"#] {
        assert_eq!(refusal(json), BodyError::BadId { found: "a number with a fraction or an exponent" });
    }
    assert_eq!(refusal(r#"{"_id":null}"#).to_string(), "_id is null, neither a string nor an integer");
}

#[test]
fn an_empty_text_may_count_as_absent() {
    let json = br#"{"_id":"","_event_time":"","a":""}"#;
    let lifted = lift_with(json, Empty::IsAbsent).unwrap();
    assert_eq!((lifted.id, lifted.event_time, &lifted.body[..]), (None, None, &br#"{"a":""}"#[..]));
    assert_eq!(lift(br#"{"_id":""}"#).unwrap().id.as_deref(), Some(""));
    assert!(matches!(lift(json), Err(BodyError::BadEventTime { .. })));
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
    assert_eq!(refusal(&"[".repeat(1 << 20)), BodyError::TooDeep);
}

/// The first letter does not tell.
#[test]
fn what_is_no_json_is_not_told_as_another_value() {
    for (json, why) in [
        ("null", "is null, not a JSON object"),
        (" true ", "is a boolean, not a JSON object"),
        ("[null]", "is an array, not a JSON object"),
        ("12", "is a number, not a JSON object"),
        ("not json", "is not JSON: expected a value at byte 0"),
        ("nul", "is not JSON: expected a value at byte 0"),
        ("nullify", "is not JSON: trailing characters at byte 4"),
        ("truth", "is not JSON: expected a value at byte 0"),
        ("2026-01-31 started", "is not JSON: trailing characters at byte 4"),
        ("-x", "is not JSON: expected a digit at byte 1"),
        ("\"half", "is not JSON: unterminated string at byte 5"),
        ("[1, nothing]", "is not JSON: expected a value at byte 4"),
        (r#"{"_id":null}"#, "_id is null, neither a string nor an integer"),
        (r#"{"_id":nothing}"#, "is not JSON: expected a value at byte 7"),
        (r#"{"_id":[}"#, "is not JSON: expected a value at byte 8"),
        (r#"{"_event_time":nothing}"#, "is not JSON: expected a value at byte 15"),
    ] {
        assert_eq!(refusal(json).to_string(), why, "{json}");
    }
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
    assert_eq!(check_id("a\u{85}").unwrap_err().to_string(), "has the control character U+0085 at byte 1");
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
