use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::measure::measure;
use super::*;

const LIMIT: usize = 10_000;

fn at(text: &str) -> Pointer {
    text.parse().unwrap()
}

fn add(path: &str, value: Value) -> PatchOp {
    PatchOp::Add { path: at(path), value }
}
fn replace(path: &str, value: Value) -> PatchOp {
    PatchOp::Replace { path: at(path), value }
}
fn remove(path: &str) -> PatchOp {
    PatchOp::Remove { path: at(path) }
}
fn copy(from: &str, path: &str) -> PatchOp {
    PatchOp::Copy { from: at(from), path: at(path) }
}
fn relocate(from: &str, path: &str) -> PatchOp {
    PatchOp::Move { from: at(from), path: at(path) }
}
fn test(path: &str, value: Value) -> PatchOp {
    PatchOp::Test { path: at(path), value }
}
fn increment(path: &str, by: &str) -> PatchOp {
    PatchOp::Increment { path: at(path), value: serde_json::from_str(by).unwrap() }
}

/// Patches a value; after an error it may be half patched.
fn apply(value: &mut Value, ops: &[PatchOp], limit: usize) -> Result<(), PatchError> {
    let mut document = Document::of(value.take()).unwrap();
    let patched = super::apply(&mut document, ops, limit, &mut Work::new(work_of(limit)));
    *value = document.value;
    patched.map(drop)
}

/// The text after the patch: shows key order and number text.
fn patched(document: &str, ops: &[PatchOp]) -> Result<String, PatchReason> {
    let mut value = crate::json::value::parse(document.as_bytes()).unwrap();
    match apply(&mut value, ops, LIMIT) {
        Ok(()) => Ok(value.to_string()),
        Err(PatchError::Failed { index, reason }) => {
            assert_eq!(index, ops.len() - 1, "only the last operation is meant to fail: {reason}");
            Err(reason)
        }
        Err(error) => panic!("{error}"),
    }
}

fn becomes(document: &str, op: PatchOp, after: &str) {
    assert_eq!(patched(document, &[op]).as_deref(), Ok(after));
}

fn fails(document: &str, op: PatchOp) -> PatchReason {
    patched(document, &[op]).unwrap_err()
}

#[test]
fn key_order_and_number_text_stay() {
    let document = r#"{"z":1.50,"y":9007199254740993,"x":1E+2,"w":0}"#;
    becomes(document, remove("/y"), r#"{"z":1.50,"x":1E+2,"w":0}"#);
    becomes(document, add("/y", json!(2)), r#"{"z":1.50,"y":2,"x":1E+2,"w":0}"#);
    becomes(document, relocate("/z", "/a"), r#"{"y":9007199254740993,"x":1E+2,"w":0,"a":1.50}"#);
    becomes(document, relocate("/z", "/z"), document);
}

#[test]
fn only_a_test_and_a_move_onto_itself_change_nothing() {
    for op in [test("/a", json!(1)), relocate("/a", "/a")] {
        assert!(!op.may_change(), "{op:?}");
        becomes(r#"{"a":1}"#, op, r#"{"a":1}"#);
    }
    for op in [add("/a", json!(1)), replace("/a", json!(1)), remove("/a"), copy("/a", "/a"), relocate("/a", "/b")] {
        assert!(op.may_change(), "{op:?}");
    }
    assert!(increment("/a", "0").may_change());
}

#[test]
fn exponents_stay_as_they_were_written() {
    becomes(
        r#"{"a":1E2,"b":1e2,"c":1E-02,"d":-0,"e":1.10e0}"#,
        add("/f", json!(0)),
        r#"{"a":1E2,"b":1e2,"c":1E-02,"d":-0,"e":1.10e0,"f":0}"#,
    );
}

#[test]
fn arrays_follow_the_index_rules() {
    becomes(r#"{"a":[1,2]}"#, add("/a/0", json!(0)), r#"{"a":[0,1,2]}"#);
    becomes(r#"{"a":[1,2]}"#, add("/a/2", json!(3)), r#"{"a":[1,2,3]}"#);
    becomes(r#"{"a":[1,2]}"#, add("/a/-", json!(3)), r#"{"a":[1,2,3]}"#);
    becomes(r#"{"a":[1,2]}"#, relocate("/a/0", "/a/1"), r#"{"a":[2,1]}"#);
    becomes(r#"{"a":[1,2,3]}"#, remove("/a/1"), r#"{"a":[1,3]}"#);
    for path in ["/a/3", "/a/01", "/a/-1", "/a/x", "/a/+1"] {
        assert_eq!(fails(r#"{"a":[1,2]}"#, add(path, json!(0))), PatchReason::BadIndex(at(path)));
    }
    assert_eq!(fails(r#"{"a":[1]}"#, replace("/a/-", json!(0))), PatchReason::NotFound(at("/a/-")));
    assert_eq!(fails(r#"{"a":[1]}"#, remove("/a/1")), PatchReason::NotFound(at("/a/1")));
}

#[test]
fn missing_targets_are_errors() {
    for op in [
        remove("/b"),
        replace("/b", json!(1)),
        copy("/b", "/c"),
        relocate("/b", "/b"),
        test("/b", json!(null)),
        increment("/b", "1"),
    ] {
        assert_eq!(fails(r#"{"a":1}"#, op), PatchReason::NotFound(at("/b")));
    }
    assert_eq!(fails(r#"{"a":1}"#, add("/b/c", json!(1))), PatchReason::NotFound(at("/b/c")));
    assert_eq!(fails(r#"{"a":1}"#, add("/a/c", json!(1))), PatchReason::NotFound(at("/a/c")));
}

/// What waits counts as what it takes.
#[test]
fn an_operation_costs_its_pointers_and_its_operand() {
    let text = |json: &'static str| Text(Bytes::from_static(json.as_bytes()));
    let long = format!("/{}", "x".repeat(999));
    let cost = |op: PatchOp<Text>| op.cost() - OPERATION_BYTES;
    assert_eq!(cost(PatchOp::Add { path: at("/a"), value: text("[1]") }), 2 + 3);
    assert_eq!(cost(PatchOp::Remove { path: at(&long) }), 1000);
    assert_eq!(cost(PatchOp::Move { from: at(&long), path: at("/a/b") }), 1004);
    assert!(size_of::<PatchOp<Text>>() <= OPERATION_BYTES);
}

#[test]
fn the_root_stays_an_object() {
    becomes(r#"{"a":1}"#, replace("", json!({"b": 2})), r#"{"b":2}"#);
    becomes(r#"{"a":{"b":2}}"#, relocate("/a", ""), r#"{"b":2}"#);
    becomes(r#"{"a":1}"#, copy("", "/b"), r#"{"a":1,"b":{"a":1}}"#);
    assert_eq!(fails(r#"{"a":1}"#, add("", json!([]))), PatchReason::NotAnObject);
    assert_eq!(fails(r#"{"a":1}"#, copy("/a", "")), PatchReason::NotAnObject);
    assert_eq!(fails(r#"{"a":1}"#, remove("")), PatchReason::RemovesRoot);
    assert_eq!(fails(r#"{"a":1}"#, relocate("", "/b")), PatchReason::IntoItself(at("")));
    assert_eq!(fails(r#"{"a":{"b":{}}}"#, relocate("/a", "/a/b/c")), PatchReason::IntoItself(at("/a")));
}

#[test]
fn special_fields_are_out_of_reach() {
    for path in ["/_id", "/_event_time", "/_id/x"] {
        let ops = [
            add(path, json!(1)),
            replace(path, json!(1)),
            remove(path),
            copy("/a", path),
            copy(path, "/b"),
            relocate("/a", path),
            relocate(path, "/b"),
            test(path, json!(1)),
            increment(path, "1"),
        ];
        for op in ops {
            assert_eq!(fails(r#"{"a":1}"#, op), PatchReason::SpecialField);
        }
    }
    assert_eq!(fails(r#"{"a":1}"#, replace("", json!({"_id": "x"}))), PatchReason::SpecialField);
    assert_eq!(fails(r#"{"a":{"_event_time":1}}"#, copy("/a", "")), PatchReason::SpecialField);
    becomes(r#"{"a":{}}"#, add("/a/_id", json!(1)), r#"{"a":{"_id":1}}"#);
}

#[test]
fn reserved_keys_are_refused() {
    let key = "$serde_json::private::RawValue";
    assert!(matches!(fails("{}", add(&format!("/{key}"), json!("[["))), PatchReason::ReservedKey(_)));
    assert!(matches!(fails("{}", add("/a", json!({"b": 1, key: "[["}))), PatchReason::ReservedKey(_)));
}

#[test]
fn test_compares_by_value() {
    for (found, expected) in [
        ("1", "1.0"),
        ("[1,{\"a\":1,\"b\":2}]", "[1.0,{\"b\":2e0,\"a\":1}]"),
        ("\"x\"", "\"\\u0078\""),
        ("null", "null"),
    ] {
        let document = format!("{{\"v\":{found}}}");
        becomes(&document, test("/v", serde_json::from_str(expected).unwrap()), &document);
    }
    for (found, expected) in [
        ("1", "\"1\""),
        ("[1]", "[1,2]"),
        ("{\"a\":1}", "{\"a\":1,\"b\":2}"),
        ("{\"a\":null}", "{\"b\":null}"),
        ("0", "false"),
    ] {
        let op = test("/v", serde_json::from_str(expected).unwrap());
        assert_eq!(fails(&format!("{{\"v\":{found}}}"), op), PatchReason::TestFailed(at("/v")));
    }
}

#[test]
fn increment_keeps_integers_exact() {
    becomes(r#"{"n":9007199254740993,"m":0}"#, increment("/n", "4"), r#"{"n":9007199254740997,"m":0}"#);
    becomes(r#"{"n":[5]}"#, increment("/n/0", "-7"), r#"{"n":[-2]}"#);
    becomes(r#"{"n":1}"#, increment("/n", "0.25"), r#"{"n":1.25}"#);
    assert_eq!(fails(r#"{"n":18446744073709551615}"#, increment("/n", "1")), PatchReason::Overflow(at("/n")));
    assert_eq!(fails(r#"{"n":"1"}"#, increment("/n", "1")), PatchReason::NotANumber(at("/n")));
    assert_eq!(fails(r#"{"n":1}"#, increment("/n", "\"1\"")), PatchReason::NotANumber(at("/n")));
}

#[test]
fn copies_of_copies_fail_early() {
    let mut document = json!({"a": {"x": "0123456789"}});
    let ops: Vec<PatchOp> = (0..1000).map(|i| copy("/a", &format!("/a/{i}"))).collect();
    let error = apply(&mut document, &ops, LIMIT).unwrap_err();
    let PatchError::Failed { index, reason } = error else { panic!("{error}") };
    assert!(index < 20 && reason == PatchReason::TooLarge { limit: LIMIT }, "{index} {reason}");
}

#[test]
fn depth_is_checked_at_every_operation() {
    let mut document = json!({"a": {"a": {}}});
    let deeper: Vec<PatchOp> = (1..=MAX_POINTER_STEPS).map(|i| copy("/a", &"/a".repeat(i))).collect();
    let error = apply(&mut document, &deeper, usize::MAX).unwrap_err();
    assert!(matches!(error, PatchError::Failed { reason: PatchReason::TooDeep, .. }), "{error}");
    assert!(depth(&document) <= MAX_DEPTH);
    let deep = (1..100).fold(json!([]), |inner, _| json!([inner]));
    assert_eq!(depth(&deep), 100);
    assert_eq!(fails("{}", add("/a", deep.clone())), PatchReason::TooDeep);
    assert_eq!(fails(r#"{"a":1}"#, replace("/a", deep.clone())), PatchReason::TooDeep);
    assert!(patched("{}", &[add("/a", deep[0].clone())]).is_ok());
}

#[test]
fn a_patch_is_bounded_in_operations_and_work() {
    let ops = vec![test("", json!({})); MAX_OPERATIONS + 1];
    assert_eq!(apply(&mut json!({}), &ops, LIMIT), Err(PatchError::TooManyOperations { count: 1001 }));
    let mut document = json!({"a": vec![0; 4000]});
    let error = apply(&mut document, &vec![remove("/a/0"); 1000], LIMIT).unwrap_err();
    assert!(matches!(error, PatchError::Failed { reason: PatchReason::TooMuchWork, .. }), "{error}");
    let mut document = json!({"a": "x".repeat(4000)});
    let error = apply(&mut document, &vec![copy("/a", "/b"); 1000], LIMIT).unwrap_err();
    assert!(matches!(error, PatchError::Failed { reason: PatchReason::TooMuchWork, .. }), "{error}");
}

/// Also where it comes to nothing.
#[test]
fn whatever_is_parsed_copied_compared_walked_or_moved_is_paid_for() {
    let (large, list) = ("x".repeat(4000), format!("[0{}]", ",0".repeat(999)));
    let body = format!(r#"{{"a":"{large}","l":{list},"n":{},"s":0}}"#, "9".repeat(4000));
    let text = |json: &str| Text(Bytes::from(json.to_owned()));
    let quoted = || text(&format!("\"{large}\""));
    let spent = |op: PatchOp<Text>| {
        let mut document = Document::parse(&body.clone().into()).unwrap();
        let (mut work, may_change) = (Work::new(1 << 20), op.may_change());
        let patched = super::apply(&mut document, &[op], 1 << 20, &mut work);
        // To write the document down is no part of the operation.
        let written = if patched.is_ok() && may_change { work::looking(&document.size) } else { 0 };
        ((1 << 20) - work.left()).saturating_sub(written)
    };
    for (op, least) in [
        (PatchOp::Copy { from: at("/a"), path: at("/b") }, 4000 + 1000),
        (PatchOp::Copy { from: at("/a"), path: at("/b/c") }, 4000 + 1000),
        (PatchOp::Add { path: at("/b"), value: quoted() }, 4000 + 1000),
        (PatchOp::Add { path: at("/b/c"), value: quoted() }, 4000 + 1000),
        (PatchOp::Replace { path: at("/a"), value: quoted() }, 4000 + 1000 + 1000),
        (PatchOp::Replace { path: at("/a"), value: text("1") }, 1000),
        (PatchOp::Add { path: at("/a"), value: text("1") }, 1000),
        (PatchOp::Remove { path: at("/a") }, 1000),
        (PatchOp::Test { path: at("/a"), value: quoted() }, 4000 + 1000 + 1000),
        (PatchOp::Test { path: at("/s"), value: quoted() }, 4000 + 1000),
        (PatchOp::Test { path: at("/n"), value: text("1") }, 1000),
        (PatchOp::Increment { path: at("/n"), value: text("1") }, 4000),
        (PatchOp::Remove { path: at("/l/0") }, 2000),
        (PatchOp::Add { path: at("/l/0"), value: text("1") }, 2000),
        (PatchOp::Move { from: at("/l/0"), path: at("/b/c") }, 2000),
    ] {
        let name = format!("{op:?}");
        let spent = spent(op);
        assert!(spent >= least, "{spent} of {least}: {}", name.get(..60).unwrap_or(&name));
    }
}

#[test]
fn errors_say_where_and_why() {
    let error = apply(&mut json!({}), &[add("/a", json!(1)), remove("/b")], LIMIT).unwrap_err();
    assert_eq!(error.to_string(), "patch operation 1: nothing is at /b");
}

/// A model that rebuilds the document as text-free trees, written to be obvious instead of quick.
mod model {
    use serde_json::Value;

    pub fn get(v: &Value, path: &[String]) -> Option<Value> {
        match path {
            [] => Some(v.clone()),
            [head, rest @ ..] => match v {
                Value::Object(m) => get(m.get(head)?, rest),
                Value::Array(a) => get(a.get(head.parse::<usize>().ok()?)?, rest),
                _ => None,
            },
        }
    }

    /// Members or items as a list of pairs, changed by `f` at the parent of `path`.
    type Edit<'a> = dyn Fn(bool, &mut Vec<(String, Value)>, &str) -> Option<()> + 'a;

    fn edit(v: &Value, path: &[String], f: &Edit<'_>) -> Option<Value> {
        let is_array = v.is_array();
        let mut pairs: Vec<(String, Value)> = match v {
            Value::Object(m) => m.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            Value::Array(a) => a.iter().enumerate().map(|(i, v)| (i.to_string(), v.clone())).collect(),
            _ => return None,
        };
        match path {
            [] => return None,
            [last] => f(is_array, &mut pairs, last)?,
            [head, rest @ ..] => {
                let slot = pairs.iter_mut().find(|(k, _)| k == head)?;
                slot.1 = edit(&slot.1, rest, f)?;
            }
        }
        Some(if is_array {
            pairs.into_iter().map(|(_, v)| v).collect()
        } else {
            Value::Object(pairs.into_iter().collect())
        })
    }

    pub fn add(v: &Value, path: &[String], new: &Value) -> Option<Value> {
        if path.is_empty() {
            return new.is_object().then(|| new.clone());
        }
        edit(v, path, &|is_array, pairs, last| {
            let place = pairs.iter().position(|(k, _)| k == last);
            match (is_array, place) {
                (false, Some(i)) => pairs[i].1 = new.clone(),
                (true, Some(i)) => pairs.insert(i, (String::new(), new.clone())),
                (true, None) if last != "-" && last != pairs.len().to_string() => return None,
                (_, None) => pairs.push((last.to_owned(), new.clone())),
            }
            Some(())
        })
    }

    pub fn remove(v: &Value, path: &[String]) -> Option<Value> {
        edit(v, path, &|_, pairs, last| {
            let place = pairs.iter().position(|(k, _)| k == last)?;
            pairs.remove(place);
            Some(())
        })
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(null)), Just(json!("s\n")), (-3..3_i64).prop_map(|n| json!(n))];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let object = vec(("[abc]", inner.clone()), 0..3).prop_map(|m| Value::Object(m.into_iter().collect()));
        prop_oneof![vec(inner, 0..3).prop_map(Value::Array), object]
    })
}

fn any_path() -> impl Strategy<Value = Vec<String>> {
    vec(prop::sample::select(vec!["a", "b", "c", "0", "1", "-"]).prop_map(str::to_owned), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn operations_agree_with_a_naive_model(
        members in vec(("[abc]", any_value()), 0..4), steps in vec((0..5, any_path(), any_path(), any_value()), 1..6),
    ) {
        let mut document = Value::Object(members.into_iter().collect());
        for (kind, from, path, value) in steps {
            let pointer = |path: &[String]| Pointer::from_tokens(path);
            let (op, expected) = match kind {
                0 => (PatchOp::Add { path: pointer(&path), value: value.clone() }, model::add(&document, &path, &value)),
                1 => (PatchOp::Remove { path: pointer(&path) }, model::remove(&document, &path)),
                2 => {
                    let replaced = model::get(&document, &path).and_then(|_| match path.is_empty() {
                        true => model::add(&document, &path, &value),
                        false => replace_in_model(&document, &path, &value),
                    });
                    (PatchOp::Replace { path: pointer(&path), value }, replaced)
                }
                3 => {
                    let copied = model::get(&document, &from).and_then(|v| model::add(&document, &path, &v));
                    (PatchOp::Copy { from: pointer(&from), path: pointer(&path) }, copied)
                }
                _ => {
                    let moved = if from == path { model::get(&document, &from).map(|_| document.clone()) }
                        else if path.starts_with(&from) { None }
                        else { model::get(&document, &from).and_then(|v| model::add(&model::remove(&document, &from)?, &path, &v)) };
                    (PatchOp::Move { from: pointer(&from), path: pointer(&path) }, moved)
                }
            };
            let mut ours = document.clone();
            let outcome = apply(&mut ours, std::slice::from_ref(&op), usize::MAX);
            prop_assert_eq!(outcome.is_ok(), expected.is_some(), "{:?} on {}: {:?}", op, document, outcome);
            if let Some(expected) = expected {
                prop_assert_eq!(ours.to_string(), expected.to_string());
                document = expected;
            }
        }
    }

    #[test]
    fn the_size_is_always_exact(members in vec(("[abc\"\n\u{1}é]", any_value()), 0..4), steps in vec((0..5, any_path(), any_path(), any_value()), 0..8)) {
        let mut document = Value::Object(members.into_iter().collect());
        prop_assert_eq!(measure(&document).unwrap().bytes, document.to_string().len());
        for (kind, from, path, value) in steps {
            let (from, path) = (Pointer::from_tokens(&from), Pointer::from_tokens(&path));
            let op = match kind {
                0 => PatchOp::Add { path, value },
                1 => PatchOp::Remove { path },
                2 => PatchOp::Replace { path, value },
                3 => PatchOp::Copy { from, path },
                _ => PatchOp::Move { from, path },
            };
            let mut next = Document::of(document.clone()).unwrap();
            let mut work = Work::new(usize::MAX);
            if (Patch { document: &mut next, work: &mut work }).step(&op).is_ok() {
                document = next.value;
                let Measure { bytes, weight, .. } = measure(&document).unwrap();
                prop_assert_eq!((next.size.bytes, next.size.weight), (bytes, weight), "{:?}: {}", op, document);
                prop_assert_eq!(bytes, document.to_string().len(), "{:?}: {}", op, document);
            }
        }
    }
}

fn replace_in_model(document: &Value, path: &[String], value: &Value) -> Option<Value> {
    let mut next = document.clone();
    let text: String = path.iter().map(|t| format!("/{t}")).collect();
    *next.pointer_mut(&text)? = value.clone();
    Some(next)
}
