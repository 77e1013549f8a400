use proptest::prelude::*;

use super::*;

const BODY: &str = r#"{"name":"Ada \"L\"","age":36,"big":18446744073709551615,"huge":36893488147419103232,"price":19.5,"flag":true,"none":null,
  "tags":["a","b"],"items":[{"n":1,"t":["x"]},{"n":2,"t":["y","z"]}],"nested":{"deep":{"er":1}},"id":"inner","odd key":1}"#;

fn matches(text: &str) -> bool {
    let filter = Filter::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    filter.matches("doc-1", 1_700_000_000_123_456, BODY.as_bytes())
}

fn refusal(text: &str) -> FilterError {
    Filter::compile(text).err().unwrap_or_else(|| panic!("accepted: {text}"))
}

#[test]
fn filters_match() {
    for text in [
        "true",
        "id == 'doc-1'",
        "id.startsWith('doc') && doc.age > 30",
        "doc.age == 36.0",
        "doc.age < 36.5",
        "doc.big > 9223372036854775807u",
        "doc.big == 18446744073709551615u",
        "doc.huge > 3.6e19",
        "doc.price * 2.0 == 39.0",
        "doc.age % 2 == 0",
        "doc.flag",
        "!has(doc.missing)",
        "has(doc.nested.deep.er)",
        "doc.none == null",
        "'a' in doc.tags",
        "doc.name == 'Ada \"L\"'",
        "doc.name.matches('^Ada')",
        "doc['age'] == 36",
        "doc['odd key'] == 1",
        "'age' in doc",
        "doc.tags[1] == 'b'",
        "size(doc.tags) == 2",
        "doc.tags.size() == 2",
        "doc.items.exists(i, i.n == 2)",
        "doc.items.all(i, i.n > 0)",
        "doc.items.exists_one(i, i.n == 1)",
        "doc.items.filter(i, i.n > 1).size() == 1",
        "doc.items.map(i, i.n) == [1, 2]",
        "doc.items.map(i, i.n > 1, i.n) == [2]",
        "doc.items.exists(i, i.t.exists(t, t == 'z'))",
        "doc.items.exists(i, i.n == doc.age - 34)",
        "event_time > timestamp('2023-11-14T00:00:00Z')",
        "event_time < timestamp('2023-11-14T22:13:21Z') - duration('0s')",
        "event_time.getFullYear() == 2023",
        "int(event_time) == 1700000000",
        "type(doc.age) == int",
        "doc.age in [35, 36]",
        "doc.missing == 1 || doc.age == 36",
        "doc.age > 100 ? false : true",
        "doc.id == 'inner'",
        "size(doc) == 12",
        "doc.exists(key, key == 'age')",
        "doc.nested.exists(k, k == 'deep')",
        "string(doc.age) == '36'",
        "doc.name + '!' == 'Ada \"L\"!'",
        "doc.items[0].n == 1 // why not",
    ] {
        assert!(matches(text), "{text}");
    }
}

#[test]
fn what_cannot_be_evaluated_does_not_match() {
    for text in [
        "doc.missing == 1",
        "doc.missing != 1",
        "doc.name > 3",
        "doc.age / 0 == 1",
        "doc.tags[9] == 'a'",
        "doc.age",
        "doc.age.startsWith('3')",
        "doc.age.exists(x, x == 1)",
        "doc.price * 2 == 39",
        "int('x') == 1",
        "timestamp('x') == event_time",
        "doc.age && true",
        "duration('1y') == duration('1s')",
        "doc.items.exists(i, i.missing == 1)",
        "-doc.big == 0",
        "doc.age + 9223372036854775807 > 0",
        "event_time + duration('999999999999s') > event_time",
        "doc.nested['x']['y'] == 1",
        "int(doc.huge) == 1",
        "timestamp(9223372036854775807) > event_time",
        "event_time.getHours('Nowhere') == 1",
    ] {
        assert!(!matches(text), "{text}");
    }
}

#[test]
fn damaged_bodies_do_not_match() {
    let filter = Filter::compile("doc.a == 1 || true").unwrap();
    assert!(filter.matches("x", 0, b"{\"a\":1}"));
    for body in [&b"{"[..], b"[]", b"\xff", b""] {
        assert!(!filter.matches("x", 0, body));
    }
    assert!(!Filter::compile("true").unwrap().matches("x", i64::MAX, b"{}"));
}

#[test]
fn a_filter_without_doc_does_not_read_the_body() {
    assert!(Filter::compile("id == 'x'").unwrap().matches("x", 0, b"not json"));
}

#[test]
fn errors_are_said_in_one_line() {
    assert_eq!(refusal(" "), FilterError::Empty);
    assert_eq!(refusal(&"x".repeat(5000)), FilterError::TooLong { length: 5000 });
    assert_eq!(refusal("foo == 1"), FilterError::UnknownVariable("foo".into()));
    assert_eq!(refusal("doc.a.exists(x, y == 1)"), FilterError::UnknownVariable("y".into()));
    assert_eq!(refusal("doc.a.exists(x, x == 1) && x == 2"), FilterError::UnknownVariable("x".into()));
    assert_eq!(refusal("frob(doc)"), FilterError::UnknownFunction("frob".into()));
    assert_eq!(refusal("optional.of(1) == 1"), FilterError::UnknownFunction("of".into()));
    assert_eq!(refusal("doc.a.exists(doc, true)"), FilterError::HidesVariable("doc".into()));
    assert_eq!(refusal("doc.a.matches('(')"), FilterError::BadPattern("(".into()));
    for text in [
        "doc.a ==",
        "doc.a == 'x",
        "doc..a == 1",
        "((true)",
        "doc.a = 1",
        "1 +",
        "a b",
        "@charge(true, 1)",
        "doc.a.exists(1, true)",
        "doc.a.exists(x)",
        "has(doc)",
        "doc.?a == 1",
        "\u{0}",
        "doc.`a` == 1",
    ] {
        let error = refusal(text);
        assert!(matches!(error, FilterError::Syntax(_)), "{text}: {error:?}");
        assert!(error.to_string().len() < 300 && !error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn what_is_never_boolean_is_refused() {
    for text in [
        "1",
        "'x'",
        "id",
        "doc",
        "event_time",
        "doc.a + 1",
        "size(doc)",
        "[true]",
        "{'a': 1}",
        "doc.a.map(x, x)",
        "true ? 1 : 2",
        "null",
        "string(id)",
        "!1",
        "true && 1",
        "type(id)",
        "-doc.a",
    ] {
        assert_eq!(refusal(text), FilterError::NotBoolean, "{text}");
    }
}

#[test]
fn what_could_explode_is_refused() {
    let doubling = format!("[doc.s]{}.size() > 1", ".map(x, x + x)".repeat(40));
    let sums = format!("doc.s{} == ''", " + doc.s".repeat(40));
    for text in [
        doubling.as_str(),
        &sums,
        "doc.a.map(x, doc.a).size() > 1",
        "doc.a.map(x, x + x) == [1]",
        "doc.a.map(x, [x, x]).size() > 1",
        "doc.a.map(x, x.map(y, x)).size() > 1",
        "[doc, doc].size() > 1",
        "{'a': doc}.size() > 1",
        "doc.s.matches(doc.p)",
        "doc.s.matches('(a{50}){50}')",
        r"doc.s.matches(r'\w{100}')",
        r"doc.s.matches(r'(?i)\p{L}{9}')",
        "doc.a.exists(x, x.exists(y, y.exists(z, z == 1)))",
        "Foo{a: 1} == 1",
        "doc.s.matches('a'.matches('b'))",
    ] {
        refusal(text);
    }
}

/// A tokio worker has 2 MiB; a debug build has the largest frames.
fn on_a_worker_stack(work: impl FnOnce() + Send + 'static) {
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap();
    worker.join().unwrap();
}

#[test]
fn the_deepest_admitted_filters_fit_a_worker_stack() {
    on_a_worker_stack(|| {
        let nested =
            |open: &str, core: &str, close: &str, n: usize| format!("{}{core}{}", open.repeat(n), close.repeat(n));
        for (open, core, close, rest) in [
            ("(", "true", ")", ""),
            ("!(", "true", ")", ""),
            ("(true || ", "true", ")", ""),
            ("(true == ", "true", ")", ""),
            ("doc[", "1", "]", ""),
            ("[", "1", "]", " == doc.a"),
            ("size(", "doc", ")", " == 1"),
            ("{'a':", "1", "}", " == doc.a"),
        ] {
            let text = nested(open, core, close, 16) + rest;
            let _ = Filter::compile(&text).unwrap_or_else(|error| panic!("{text}: {error}")).matches(
                "x",
                0,
                BODY.as_bytes(),
            );
            assert_eq!(refusal(&(nested(open, core, close, 17) + rest)), FilterError::TooComplex);
        }
        for text in [
            format!("1 {}== 1", "- 1 ".repeat(45)),
            format!("doc{} == 1", ".a".repeat(45)),
            format!("doc.a{} == 1", "[0]".repeat(44)),
            format!("{}true", "true ? true : ".repeat(24)),
            format!("{}true", "true == ".repeat(23)),
            (0..200).map(|_| "doc.a == 1").collect::<Vec<_>>().join(" || "),
        ] {
            let _ = Filter::compile(&text).unwrap_or_else(|error| panic!("{text}: {error}")).matches(
                "x",
                0,
                BODY.as_bytes(),
            );
        }
    });
}

#[test]
fn broken_texts_do_not_overflow_or_panic() {
    on_a_worker_stack(|| {
        for piece in [
            "(", "[", "{", "-", "!", "- ", "a.", "a ? ", "a ? b : ", "1+", "a==", "a[", "f(", "{'a':", "[[", "a||",
            "a&&", "a in ", "'", "\"", "\\", ")", "}", ",", "?", ":", "é", "r'", "a{b:", ".a", "..", "0x", "1e", "b'",
            "\u{0}", "//", "\n",
        ] {
            for n in [1, 2, 23, 24, 95, 700, 4000] {
                let text: String = piece.repeat(n).chars().take(4000).collect();
                let _ = Filter::compile(&text);
                let _ = Filter::compile(&format!("doc.a == {text}"));
            }
        }
    });
}

#[test]
fn loops_have_a_budget() {
    let list = vec!["1"; 3000].join(",");
    let body = format!("{{\"a\":[{list}],\"b\":[{list}],\"c\":[{list}]}}");
    let run = |text: &str| Filter::compile(text).unwrap().matches("x", 0, body.as_bytes());
    assert!(run("doc.a.all(x, x == 1)"));
    assert!(run("doc.a.all(x, x == doc.b[0])"));
    // 9 million turns; with the budget well below a second in a debug build.
    for text in [
        "doc.a.all(x, doc.b.all(y, x == y))",
        "doc.a.exists(x, doc.b.exists(y, y == 2)) || true == false",
        "!doc.a.exists(x, doc.b.exists(y, y == 2))",
        "doc.a.filter(x, doc.b.filter(y, y == x).size() > 0).size() >= 0",
        "doc.a.exists_one(x, doc.b.exists_one(y, y == x)) == false",
        "doc.a.all(x, doc.b.map(y, y).size() > 0)",
    ] {
        assert!(!run(text), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,40}", code in "(doc|id|event_time|x|[0-9]{1,3}|'[a-z]*'|[-+*/%!<>=.,?:()\\[\\]{} ]|&&|\\|\\||has\\(|size\\(| in |\\.exists\\(x, |\\.map\\(x, ){0,14}") {
        for text in [text, code] {
            if let Ok(filter) = Filter::compile(&text) {
                let _ = filter.matches("x", 0, BODY.as_bytes());
            }
        }
    }
}
