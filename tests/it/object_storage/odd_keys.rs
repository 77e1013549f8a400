//! Keys that are no paths.

use stillframe::pb::{self, source::Format};

use super::given::{Given, named};
use crate::support::eventually;

/// What URLs, forms, signatures and XML write in another way.
const WRITTEN_OTHERWISE: [&str; 22] = [
    " ",
    " a  b ",
    "%",
    "%41",
    "%2F",
    "%zz",
    "+",
    "?",
    "?a=b&c",
    "#",
    "\\",
    "\"",
    "'",
    "&amp;",
    "<>",
    "~",
    ";:@=,",
    "$!*()",
    "[]{}|^`",
    "...",
    "é",
    "e\u{301}😀",
];

#[apply(on_s3!)]
async fn a_key_with_empty_segments_or_control_characters_is_read() {
    let mut given = Given::new().await;
    for (n, key) in ["a", "/lead", "d//e", "//f", "\tg", "h\n", "\u{7f}", "i\r"].iter().enumerate() {
        assert!(given.put_record(&format!("in/{key}.ndjson"), n));
    }
    given.source("/in", pb::Source { pattern: "**/*.ndjson".to_owned(), ..Default::default() }).await;
    let ended = given.server.ingested("c", 8).await;
    assert_eq!((given.numbers().await, ended.bad_records), ((0..8).collect(), 0));
    // At rest, and one more comes; and the one that is there changes.
    given.put_record("in//late.ndjson", 8);
    given.put_record("in/b.ndjson", 9);
    given.put("in/d//e.ndjson", "{\"n\":2}\n{\"n\":10}\n");
    let ended = given.server.ingested("c", 11).await;
    assert_eq!((given.numbers().await, ended.bad_records), ((0..11).collect(), 0));
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn a_key_that_is_written_otherwise_on_its_way_is_read() {
    let mut given = Given::new().await;
    let others = [format!("{}x", "d/".repeat(30)), "l".repeat(200)];
    let names = WRITTEN_OTHERWISE.map(str::to_owned).into_iter().chain(others);
    // Behind an empty segment they are asked for with requests of our own.
    let keys: Vec<_> = names.flat_map(|name| ["in/", "in//"].map(|start| format!("{start}{name}.ndjson"))).collect();
    for (n, key) in keys.iter().enumerate() {
        assert!(given.put_record(key, n));
    }
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", i64::try_from(keys.len()).unwrap()).await;
    assert_eq!((given.numbers().await, ended.bad_records), ((0..keys.len()).collect(), 0), "{ended:?}");
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn an_odd_key_that_the_pattern_leaves_out_is_nothing_to_the_source() {
    let mut given = Given::new().await;
    for (n, key) in ["good", "/a", "d//b", "./c", "up/../d", "e\t/e"].iter().enumerate() {
        assert!(given.put_record(&format!("in/{key}.ndjson"), n));
    }
    given.source("/in", pb::Source { pattern: "*.ndjson".to_owned(), ..Default::default() }).await;
    let ended = given.server.ingested("c", 1).await;
    assert_eq!((given.numbers().await, ended.bad_records), (vec![0], 0));
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn what_no_url_can_name_is_named() {
    let mut given = Given::new().await;
    given.put_record("in/a.ndjson", 0);
    given.put_record("in/x.ndjson", 1);
    // To a URL these are `in/a.ndjson` and `in/x.ndjson`.
    given.put_record("in/./a.ndjson", 2);
    given.put_record("in/up/../x.ndjson", 3);
    // Not for this source.
    given.put_record("in/../x.txt", 4);
    given.source("/in", pb::Source::default()).await;
    let ended = given.server.ingested("c", 4).await;
    assert_eq!((given.numbers().await, named(&ended)), (vec![0, 1], vec!["./a.ndjson", "up/../x.ndjson"]));
    assert!(ended.first_bad_records.iter().all(|bad| bad.reason.contains("rename it")), "{ended:?}");
    assert_eq!(given.server.scanned_again("c").await.bad_records, 2, "told once");
    given.put_record("in/./a.ndjson", 5);
    let again = given.server.ingested("c", 5).await;
    assert_eq!(again.bad_records, 3, "another one was put there");
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn a_slash_at_the_beginning_belongs_to_the_key() {
    let mut given = Given::new().await;
    given.put("lead.ndjson", "{\"a\":1}");
    given.put("/lead.ndjson", "{\"a\":2}");
    let bodies = async |given: &mut Given| {
        let mut bodies: Vec<_> = given.server.scan("c").await.into_iter().map(|(_, body)| body).collect();
        bodies.sort();
        bodies
    };
    given.server.create_source("c", "in", given.whole()).await.unwrap();
    given.server.ingested("c", 2).await;
    assert_eq!(bodies(&mut given).await, [r#"{"a":1}"#, r#"{"a":2}"#], "ids that are made are of two objects");
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn a_folder_is_no_object_and_an_object_may_end_with_a_slash() {
    let mut given = Given::new().await;
    given.put("in/", "");
    given.put("in/folder/", "");
    given.put_record("in/object/", 1);
    given.put_record("in/folder/a", 2);
    given.source("/in", pb::Source { format: Format::Ndjson.into(), ..Default::default() }).await;
    let ended = given.server.ingested("c", 2).await;
    assert_eq!((given.numbers().await, ended.bad_records), (vec![1, 2], 0));
    given.server.stop().await;
}

#[apply(on_s3!)]
async fn a_list_of_many_pages_is_read_to_its_end() {
    let mut given = Given::new().await;
    for n in 0..1_050 {
        given.put_record(&format!("in//{n:04} +&.ndjson"), n);
    }
    given.source("/in", pb::Source::default()).await;
    eventually("all are read", async || given.server.source("c").await.documents_ingested == 1_050).await;
    assert_eq!(given.numbers().await, (0..1_050).collect::<Vec<_>>());
    given.server.stop().await;
}
