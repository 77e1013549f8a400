use proptest::{collection::vec, prelude::*};
use serde_json::{Value, value::RawValue};

use super::tests::{contents, read};
use super::*;

fn elements(object: &str) -> (Vec<String>, Option<String>) {
    let (records, error) = read(object.to_owned(), Format::JsonArray);
    assert!(records.iter().all(|record| record.line.is_none()));
    (contents(&records), error)
}

fn good(object: &str) -> Vec<String> {
    let (elements, error) = elements(object);
    assert_eq!(error, None, "{object}");
    elements
}

#[test]
fn elements_are_raw() {
    assert_eq!(good("[]"), [""; 0]);
    assert_eq!(good(" \r\n\t[ \n ] \n"), [""; 0]);
    assert_eq!(good("[{}]"), ["{}"]);
    assert_eq!(
        good("[{\"a\":[1,{\"b\":\"]}\"}]} , {\"c\" : \"\\\"}\"}\n]"),
        ["{\"a\":[1,{\"b\":\"]}\"}]}", "{\"c\" : \"\\\"}\"}"]
    );
    assert_eq!(good(r#"["\\", "\\\"", "[{", ""]"#), [r#""\\""#, r#""\\\"""#, r#""[{""#, r#""""#]);
    assert_eq!(good("[1,-2.5e+3 ,null,[[]],\"ä\"]"), ["1", "-2.5e+3", "null", "[[]]", "\"ä\""]);
    // Whether an element is JSON is not the scanner's business.
    assert_eq!(good("[nul, {\"a\" 1,}, {\"a\":01}, {:::}]"), ["nul", "{\"a\" 1,}", "{\"a\":01}", "{:::}"]);
}

#[test]
fn a_broken_structure_is_told_after_the_elements_before_it() {
    for (object, found, error) in [
        ("", 0, "at byte 0 (unpacked): expected '[' or '{' but the object is empty"),
        (" \n", 0, "at byte 2 (unpacked): expected '[' or '{' but the object is empty"),
        ("x", 0, "at byte 0 (unpacked): expected '[' or '{' but found 'x'"),
        ("[", 0, "at byte 1 (unpacked): the object ends before its array does"),
        ("[1", 0, "at byte 2 (unpacked): the object ends before its array does"),
        ("[{}", 1, "at byte 3 (unpacked): the object ends before its array does"),
        ("[{},", 1, "at byte 4 (unpacked): the object ends before its array does"),
        ("[{},{\"a\":\"]", 1, "at byte 11 (unpacked): the object ends before its array does"),
        ("[{},]", 1, "at byte 4 (unpacked): expected a value but found ']'"),
        ("[,{}]", 0, "at byte 1 (unpacked): expected a value but found ','"),
        ("[{}{}]", 1, "at byte 3 (unpacked): expected ',' or ']' but found '{'"),
        ("[1 2]", 1, "at byte 3 (unpacked): expected ',' or ']' but found '2'"),
        ("[1:2]", 1, "at byte 2 (unpacked): expected ',' or ']' but found ':'"),
        ("[{}] x", 1, "at byte 5 (unpacked): expected nothing after the array but found 'x'"),
        ("[{}][{}]", 1, "at byte 4 (unpacked): expected nothing after the array but found '['"),
        ("[{}, {\"a\":[1}]", 1, "at byte 12 (unpacked): expected ']' but found '}'"),
        ("[{}, [1}]", 1, "at byte 7 (unpacked): expected ']' but found '}'"),
        ("[{]", 0, "at byte 2 (unpacked): expected '}' but found ']'"),
        ("[{}\0]", 1, "at byte 3 (unpacked): expected ',' or ']' but found byte 0x00"),
        ("['a']", 0, "at byte 1 (unpacked): expected a value but found '''"),
        ("\u{FEFF} x", 0, "at byte 4 (unpacked): expected '[' or '{' but found 'x'"),
    ] {
        let (elements, told) = elements(object);
        assert_eq!((elements.len(), told.as_deref()), (found, Some(error)), "{object}");
    }
}

#[test]
fn depth_costs_only_the_record() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let object = format!("[{},{},{},{{}}]", nested(100), nested(101), nested(200_000));
    let too_deep = "<is nested more than 100 levels deep>".to_owned();
    assert_eq!(good(&object), [nested(100), too_deep.clone(), too_deep, "{}".to_owned()]);
    let mixed = format!("{}1{}", "{\"a\":[".repeat(50), "]}".repeat(50));
    assert_eq!(good(&format!("[{mixed}]")), [mixed]);
    let deepest: String = "{\"a\":".repeat(120) + "1" + &"}".repeat(119) + "]";
    assert!(elements(&format!("[{deepest}]")).1.unwrap().contains("expected '}' but found ']'"));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[\"\\\\\\[\\]{},:a\u{e4}\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec(("[\"\\\\{}a]{0,4}", inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn elements_are_those_of_the_array(values in vec(value(), 0..6), pretty: bool) {
        let json = if pretty { serde_json::to_string_pretty(&values) } else { serde_json::to_string(&values) }.unwrap();
        let raw: Vec<Box<RawValue>> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(good(&json), raw.iter().map(|raw| raw.get().to_owned()).collect::<Vec<_>>());
    }

    /// What the scanner finds whole is whole: if all elements are JSON, then so is the array.
    #[test]
    fn sound_elements_make_a_sound_array(json in "\\[[\\[\\]{}\",:1a\\\\ ]{0,12}\\]") {
        let (elements, error) = elements(&json);
        let is_json = |text: &String| serde_json::from_str::<&RawValue>(text).is_ok();
        let expected = error.is_none() && elements.iter().all(is_json);
        prop_assert_eq!(serde_json::from_str::<Vec<&RawValue>>(&json).is_ok(), expected, "{:?} {:?}", elements, error);
    }
}
