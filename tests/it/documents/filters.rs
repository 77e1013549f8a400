//! What filters mean, of each kind of value that a document may have, and what they cost.

use stillframe::pb;

use super::{invalid, list::pages_of, refusal, selection::matching};
use crate::support::{TestServer, upsert};

const OSLO: &str =
    r#"{"user":{"city":"Oslo"},"amount":12.5,"tags":["a","b"],"n":9007199254740993,"ok":true,"none":null}"#;
/// Its event time is 2026-01-02.
const TIME: &str = r#"{"t":"2026-01-02T03:04:05Z","_event_time":1767312000000}"#;
const NAMES: &str = r#"{"a.b":1,"sp ace":2,"":3}"#;
const LIST: &str = r#"{"list":[{"k":1},{"k":2}]}"#;

/// Of a document, which filters match it and which do not.
const CASES: [(&str, &str, &[&str], &[&str]); 4] = [
    (
        "o",
        OSLO,
        &[
            r#"user.city = "Oslo""#,
            r#"user.city = "O*""#,
            r#"user.city = "*lo""#,
            r#"user.city = "*s*""#,
            "n = 9007199254740993",
            "amount >= 12.5 AND amount < 12.50001",
            r#"tags:"a""#,
            "user:city",
            "amount:*",
            "ok = true",
            "none = null",
            r#"(user.city = "Oslo")"#,
            r#"user.city="Oslo" amount>1"#,
        ],
        &[
            r#"user.city = "oslo""#,
            "n = 9007199254740992",
            r#"amount = "12.5""#,
            r#"tags:"c""#,
            r#"tags = "a""#,
            "user.zip:*",
            "none:*",
            "NOT ok = true",
            "-ok = true",
            "missing != 1",
            "missing = null",
            r#"user.city = "Bergen" OR user.city = "Oslo" AND amount > 100"#,
        ],
    ),
    (
        "t",
        TIME,
        &[
            r#"event_time > "2026-01-01T00:00:00Z""#,
            "event_time > 2026-01-01T00:00:00Z AND event_time < 2026-01-03T00:00:00Z",
            "t > 2026-01-02T03:04 AND t:*",
        ],
        &["event_time > 2026-01-02T00:00:00Z", "doc.event_time:*", "_event_time:*"],
    ),
    ("n", NAMES, &[r#"doc."a.b" = 1"#, r#"doc."sp ace" = 2"#, r#"doc."" = 3"#], &["a.b = 1", "sp:*"]),
    ("l", LIST, &["list.k:2", "list:k", "list.k:*"], &["list.k:3", "list.k = 2", "list:2"]),
];

#[apply(on_each_storage!)]
async fn each_filter_means_what_its_table_says() {
    let mut server = TestServer::with_collection().await;
    server.write("c", CASES.iter().map(|(id, body, ..)| upsert(id, body)).collect()).await;
    for (id, body, matches, does_not) in CASES {
        let all = matches.iter().map(|filter| (filter, true)).chain(does_not.iter().map(|filter| (filter, false)));
        for (filter, expected) in all {
            let found = matching(&mut server, filter, None, None).await.unwrap();
            assert_eq!(found.contains(id), expected, "{filter} of {body}: {found}");
        }
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn each_refusal_names_the_place_and_what_was_expected() {
    let mut server = TestServer::with_collection().await;
    for (filter, place) in [
        ("user.city =", "at character 12: expected a value"),
        ("= 3", "at character 1: expected a field"),
        ("a = 1 AND", "at character 10: expected a field"),
        ("(a = 1", "at character 1: the closing parenthesis is missing"),
        ("a == 1", "at character 3: write `=`"),
        ("a = 'x", "at character 5: the closing ' is missing"),
        ("a ~ 1", "at character 3: expected a field"),
        (r#""sp ace" = 2"#, "at character 1: expected a field"),
    ] {
        let error = matching(&mut server, filter, None, None).await.unwrap_err();
        assert_eq!(refusal(&error), invalid(&["filter"]), "{filter}");
        assert!(error.message().contains(place), "{filter}: {}", error.message());
        let list = pb::ListDocumentsRequest { filter: filter.to_owned(), ..pages_of(0) };
        let listed = server.list(list).await.unwrap_err();
        assert_eq!((refusal(&listed), listed.message()), (invalid(&["filter"]), error.message()), "{filter}");
    }
    server.stop().await;
}

/// A document as large as they may be, mostly one number and one list, and a filter that asks
/// 200 times about both. Whoever did for each term what is done for the document once would
/// take a minute.
#[apply(on_directory!)]
async fn a_long_filter_reads_a_large_document_once() {
    let mut server = TestServer::with_collection().await;
    let json = format!(
        r#"{{"n":{}.5,"list":[{}],"text":"{}"}}"#,
        "7".repeat(900 << 10),
        vec!["1"; 250 << 10].join(","),
        "ab".repeat(256 << 10)
    );
    assert!(json.len() < 2 << 20);
    server.write("c", vec![upsert("x", &json), upsert("y", r#"{"n":1}"#)]).await;
    let terms = (0..200).map(|n| match n % 4 {
        0 => format!("n > 7{n}"),
        1 => format!("list:1.{}", "0".repeat(n % 8)),
        2 => format!("-list:{n}{n}"),
        _ => "text = 'ab*'".to_owned(),
    });
    let scans = ["text = '*ba*'", "-abab", "-*aba"].map(str::to_owned);
    let filter = terms.chain(scans).collect::<Vec<_>>().join(" ");
    assert!(filter.len() <= 4096, "{}", filter.len());
    assert_eq!(matching(&mut server, &filter, None, None).await.unwrap(), "x");
    assert_eq!(matching(&mut server, &format!("{filter} n < 7"), None, None).await.unwrap(), "");
    server.stop().await;
}
