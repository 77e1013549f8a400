//! What files are called is nothing to a source.

use stillframe::pb;

use crate::support::TestServer;

#[apply(on_directory!)]
async fn a_file_may_have_any_name_that_is_text() {
    let names =
        ["a b", " ", "%41", "%2F", "%", "?", "#", "\\", "\"", "'", "&", "+", "*", "[a]", "{b}", "...", "-", "é"];
    let others =
        ["e\u{301}", "😀", "\t", "\n", "\r", "\u{1}", "\u{7f}", &"l".repeat(200), &format!("{}x", "d/".repeat(30))];
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut expected = Vec::new();
    for (n, name) in names.into_iter().chain(others).enumerate() {
        server.import(&format!("{name}.ndjson"), format!("{{\"_id\":\"{n:02}\"}}\n"));
        expected.push((format!("{n:02}"), "{}".to_owned()));
    }
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", i64::try_from(expected.len()).unwrap()).await;
    assert_eq!(ended.bad_records, 0, "{:?}", ended.first_bad_records);
    assert_eq!(server.scan("books").await, expected);
    server.stop().await;
}
