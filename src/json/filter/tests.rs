use proptest::prelude::*;
use serde_json::json;

use super::*;

const OSLO: &str =
    r#"{"user":{"city":"Oslo"},"amount":12.5,"tags":["a","b"],"n":9007199254740993,"ok":true,"none":null}"#;
/// 2026-01-02T00:00:00Z
const TIME: i64 = 1_767_312_000_000_000;

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn each_is(expected: bool, body: &str, filters: &[&str]) {
    for text in filters {
        assert_eq!(parse(text).matches("doc-1", TIME, body.as_bytes()), expected, "{text} of {body}");
    }
}

#[track_caller]
fn refused(filters: &[(&str, &str)]) {
    for (text, expected) in filters {
        let found = Filter::parse(text).err().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn members_are_reached_by_dots_and_compared_by_type() {
    each_is(
        true,
        OSLO,
        &[
            "",
            " \t",
            "user.city = \"Oslo\"",
            "user.city = Oslo",
            "doc.user.city = Oslo",
            "user.city > \"Nes\" AND user.city <= Oslo AND user.city != Bergen",
            "user.city = \"O*\"",
            "user.city = \"*lo\"",
            "user.city = \"*s*\"",
            "user.city != \"*x*\"",
            "ok = true",
            "ok != false",
            "none = null",
            "NOT missing = null",
            "NOT ok = false",
        ],
    );
    each_is(
        false,
        OSLO,
        &[
            "user.city = \"oslo\"",
            "user.City = Oslo",
            "user.city.name = Oslo",
            "user = Oslo",
            "tags = \"a\"",
            "NOT ok = true",
            "-ok = true",
            "ok = \"true\"",
            "ok != \"true\"",
            "ok = 1",
            "none = \"null\"",
            "none != null",
        ],
    );
}

#[test]
fn a_member_that_is_not_there_fits_no_comparison() {
    let texts = ["missing != 1", "missing = null", "missing != null", "missing != x*", "user.zip < 5", "missing:*"];
    each_is(false, OSLO, &texts);
    each_is(true, OSLO, &["NOT missing = 1", "-missing:*"]);
}

#[test]
fn numbers_are_exact() {
    let matching = [
        "amount >= 12.5 AND amount < 12.50001",
        "amount = 1.25e1 AND amount = 125e-1",
        "n = 9007199254740993",
        "n = 9007199254740993.0",
        "n != 9007199254740992",
        "n > 9007199254740992 AND n < 1e16",
        "n > -5 AND n >= -1e999",
    ];
    each_is(true, OSLO, &matching);
    each_is(false, OSLO, &["n = 9007199254740992", "amount = \"12.5\"", "amount != \"12.5\"", "amount < 12.5"]);
    each_is(true, r#"{"n":1e99999999999999999999}"#, &["n:* AND NOT n > 5"]);
}

#[test]
fn a_colon_is_equality_or_membership_or_a_key() {
    each_is(true, OSLO, &["tags:\"a\"", "tags:b", "user:city", "amount:*", "user.city:Oslo", "n:9007199254740993.0"]);
    each_is(true, OSLO, &["doc:user AND doc:none AND doc:*", "none:null", "ok:true", "tags:* AND user:*", "ok:*"]);
    each_is(false, OSLO, &["tags:\"c\"", "user.zip:*", "none:*", "user:Oslo", "tags:A", "ok:\"true\"", "n:\"9\""]);
    let list = r#"{"list":[{"k":1},{"k":2,"deep":[[{"x":["y"]}]]},7,"k2",null],"empty":[]}"#;
    each_is(true, list, &["list.k:2", "list.k:*", "list:k", "list:7", "list:k2", "list:null", "list.deep.x:y"]);
    each_is(true, list, &["list.k:1 AND list.k:2", "empty:* AND -empty:1"]);
    each_is(false, list, &["list.k:3", "list.k = 1", "list.k:\"2\"", "list:\"7\"", "list.none:*", "list = 7"]);
    // What `:` asks of the members of a list does not let `=` ask it, too.
    each_is(false, OSLO, &["tags:a tags = a", "tags:a tags != b"]);
    each_is(false, list, &["list.k:1 list.k = 1", "list:7 list > 5"]);
}

#[test]
fn terms_are_joined_as_in_lists() {
    each_is(
        true,
        OSLO,
        &[
            "(user.city = \"Oslo\")",
            "user.city=\"Oslo\" amount>1",
            "user.city = Bergen OR user.city = Oslo",
            "user.city = Bergen OR ok = true AND tags:x OR n > 1",
            "-(user.city = Bergen)",
        ],
    );
    each_is(false, OSLO, &["user.city = \"Bergen\" OR user.city = \"Oslo\" AND amount > 100"]);
}

#[test]
fn a_document_has_an_id_and_an_event_time() {
    let body = r#"{"id":"inner","event_time":5,"doc":{"doc":1},"t":"2026-01-02T03:04:05Z"}"#;
    each_is(
        true,
        body,
        &[
            "id = \"doc-1\"",
            "id = doc-* AND id:doc-1 AND id:* AND id > a",
            "event_time > \"2026-01-01T00:00:00Z\"",
            "event_time > 2026-01-01T00:00:00Z",
            "event_time:2026-01-02T01:00:00+01:00 AND event_time:*",
            "doc.id = inner AND doc.event_time = 5",
            "doc.doc.doc = 1 AND doc:doc AND doc.doc:doc",
            "t > 2026-01-02 AND t < 2026-01-02T03:05:00Z",
        ],
    );
    each_is(false, body, &["id = inner", "event_time < 2026-01-02T00:00:00Z", "id != doc-1", "doc.t:x"]);
}

#[test]
fn any_name_can_be_written() {
    let body = r#"{"a.b":1,"sp ace":2,"":3,"é":{"":{"*":[4]}},"esc\"aped":5,"AND":6,"doc":7}"#;
    each_is(
        true,
        body,
        &[
            "doc.\"a.b\" = 1",
            "doc.'sp ace' = 2",
            "doc.\"\" = 3",
            r#"é."".'\*':4"#,
            r#"doc."esc\"aped" = 5"#,
            "doc.AND = 6 AND doc.'AND':6",
            "doc.doc = 7",
        ],
    );
    refused(&[
        ("\"sp ace\" = 2", "expected a field, found `\"sp ace\"`"),
        ("a..b = 1", "supported are names with one dot between two"),
        (".a = 1", "names with one dot"),
        ("a. = 1", "expected a name behind the dot, found `=`"),
        ("a* = 1", "whole names"),
    ]);
}

#[test]
fn texts_are_looked_for_in_all_of_a_document() {
    let body = r#"{"title":"The old man","tags":["sea",{"k":["Hemingway, 1952"]}],"e":"caf\u00e9"}"#;
    each_is(true, body, &["old", "\"old man\" sea", "Hemingway AND 1952", "Heming*", "*way", "café", "doc-1", "-new"]);
    each_is(false, body, &["ol", "title", "Sea", "Heming", "old new", "-old"]);
    each_is(true, body, &["new OR sea", "title = \"The*\" sea"]);
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    refused(&[
        ("user.city =", "at character 12: expected a value; words such as AND need quotes, found the end"),
        ("= 3", "at character 1: expected a field or a text to look for, found `=`"),
        ("a = 1 AND", "expected a field or a text to look for, found the end"),
        ("(a = 1", "at character 1: the closing parenthesis is missing"),
        ("a == 1", "at character 3: write `=`, not `==`"),
        ("a = 'x", "at character 5: the closing ' is missing"),
        ("a ~ 1", "at character 3: expected a field, or a text to look for, in quotes if it is all signs, found `~`"),
        ("doc = 1", "`doc` cannot be compared with `=`"),
        ("id", "expected an operator, found the end"),
        (
            "id.x = 1",
            "`id.x` cannot be filtered by: supported are id itself, and members of the body, such as doc.id.x",
        ),
        ("event_time > yesterday", "use an RFC 3339 time"),
        ("ok < true", "`ok` cannot be compared with `<`: supported are = != and : with true, false and null"),
        ("none >= null", "cannot be compared with `>=`"),
        ("a = x*y", "`*` only with = or != and at the start or end"),
        ("a:x*", "a whole value, or `*` alone"),
        ("a > 1e99999999999999999999", "its power of ten of 18 digits at most"),
        ("size(a) = 1", "a function at character 1 is not supported"),
        ("a > int(5)", "a function at character 5 is not supported"),
        ("doc.a == 1 && doc.b == 2", "write `=`, not `==`"),
        ("a > 1 && b > 2", "at character 7: expected a field, or a text to look for"),
        ("doc['n'] > 5", "at character 5: expected an operator, found `'n'`"),
        ("'x' in doc.tags", "expected an operator, found the end"),
    ]);
}

#[test]
fn numbers_of_terms_are_limited() {
    let many = |term: &str, n| vec![term; n].join(" ");
    parse(&many("a:1", Filter::MAX_TERMS));
    refused(&[(&many("a:1", Filter::MAX_TERMS + 1), "at most 256 are supported")]);
    for term in ["word", "a = *x*", "a != \"*x*\""] {
        parse(&many(term, Filter::MAX_SCANS));
        refused(&[(&many(term, Filter::MAX_SCANS + 1), "patterns with a star at both ends: at most 8 are supported")]);
    }
    let long = |bytes| format!("a = {}", "x".repeat(bytes - 4));
    parse(&long(filter::MAX_BYTES));
    refused(&[(&long(filter::MAX_BYTES + 1), "has 4097 bytes: at most 4096")]);
}

/// What is asked of each item of a list is found once, however many terms ask it and however they write it.
#[test]
fn terms_that_ask_the_same_share_its_answer() {
    let spelled = |n| format!("list:1.{} list:*", "0".repeat(n));
    let filter = parse(&(1..70).map(spelled).collect::<Vec<_>>().join(" "));
    let list = &filter.inner.asked.body.members["list"];
    assert_eq!((list.equal.len(), list.present), (1, Some(2)));
    assert!(filter.matches("x", 0, br#"{"list":[0,1]}"#) && !filter.matches("x", 0, br#"{"list":[0,2]}"#));
    each_is(
        true,
        r#"{"a":[1],"b":{"1":0},"c":{"1.0":0}}"#,
        &["a:1 a:1.0 a:10e-1 b:1 b:\"1\" c:1.0 -c:1 -b:1.0 -a:'1'"],
    );
}

#[test]
fn names_are_as_many_as_a_body_may_have_in_one_another() {
    let path = |n| vec!["a"; n].join(".");
    let body = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    each_is(
        true,
        &body,
        &[&format!("{} = 1", path(100)), &format!("doc.{}:1", path(100)), &format!("{}:*", path(100))],
    );
    refused(&[
        (&format!("{} = 1", path(101)), "at most 100 names"),
        (&format!("doc.{}:1", path(101)), "at most 100 names"),
        (&format!("doc.{} = 1", path(2000)), "at most 100 names"),
    ]);
}

/// The places of the parts are found as they come; `needle` and the test above say why the others are.
#[test]
fn many_terms_read_a_large_value_once() {
    let terms = |term: &dyn Fn(usize) -> String| (0..200).map(term).collect::<Vec<_>>().join(" ");
    let number = format!(r#"{{"n":{}.5e-7}}"#, "7".repeat(1_000_000));
    each_is(true, &number, &[&terms(&|n| format!("n > {n}"))]);
    let list = format!(r#"{{"a":[{}]}}"#, vec!["1"; 100_000].join(","));
    each_is(true, &list, &[&terms(&|_| "a:1".into()), &terms(&|n| format!("-a:1{n}")), &terms(&|_| "a:*".into())]);
    let text = format!(r#"{{"s":"b{}b"}}"#, "a".repeat(1_000_000));
    let part = "a".repeat(500);
    each_is(true, &text, &[&format!("-*{part} -{part}* -*{part}c s = \"*{part}*\""), &terms(&|_| "s != c*".into())]);
    let texts = format!(r#"{{"s":[{}]}}"#, vec![r#""a""#; 100_000].join(","));
    each_is(true, &texts, &[&format!("-{part} -*{part} -{part}* -*{part}b")]);
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(99), "]".repeat(99));
    each_is(true, &deep, &["a:* -a:1 -a.a.a.a:* -word"]);
}

#[test]
fn the_last_term_counts_too() {
    let last = format!("{} b = 1", vec!["a = 1"; Filter::MAX_TERMS - 1].join(" "));
    each_is(true, r#"{"a":1,"b":1}"#, &[&last]);
    each_is(false, r#"{"a":1,"b":2}"#, &[&last]);
}

/// Any JSON with few names and values, so that filters often find something.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        (-2..3_i64).prop_map(|number| json!(number)),
        "[ab*. ]{0,2}".prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::hash_map("[ab]", inner, 0..3).prop_map(|members| json!(members)),
        ]
    })
}

/// What `:` means, said another way: every value that the names lead to, lists passed through.
fn reached<'v>(value: &'v serde_json::Value, names: &[&str], found: &mut Vec<&'v serde_json::Value>) {
    if let serde_json::Value::Array(items) = value {
        for item in items {
            reached(item, names, found);
        }
        return;
    }
    match names {
        [] => found.push(value),
        [first, rest @ ..] => {
            if let Some(value) = value.get(first) {
                reached(value, rest, found);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_colon_finds_what_a_search_of_the_whole_value_finds(
        body in prop::collection::hash_map("[ab]", any_json(), 0..3),
        names in prop::collection::vec(prop::sample::select(vec!["a", "b"]), 1..4),
        wanted in prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(|flag| json!(flag)), (-2..3_i64).prop_map(|n| json!(n)), "[ab]{1,2}".prop_map(|text| json!(text)),
        ],
    ) {
        let body = json!(body);
        let mut found = Vec::new();
        reached(&body, &names, &mut found);
        let word = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
        let expected = found.iter().any(|value| **value == wanted || value.get(&word).is_some());
        let filter = parse(&format!("{}:{wanted}", names.join(".")));
        prop_assert_eq!(filter.matches("x", 0, body.to_string().as_bytes()), expected, "{} in {}", wanted, body);
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), body in any_json()) {
        let _ = Filter::parse(&text).map(|filter| filter.matches("x", 0, body.to_string().as_bytes()));
    }

    #[test]
    fn any_tokens_are_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
        "a", "a.", "doc", "doc.", "id", "event_time", "AND", "OR", "NOT", "(", ")", "-", "=", "!=", "<", ">=", ":", "*",
        "\"a\"", "\"", "'", "5", "1e5", "true", "null", " ", "é", "\0", ",", ".", "2026-01-01T00:00:00Z",
    ]), 0..12)) {
        let _ = Filter::parse(&parts.concat()).map(|filter| filter.matches("a", 0, OSLO.as_bytes()));
    }
}
