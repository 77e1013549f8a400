//! Every format in every compression becomes exactly the documents that it holds.

use stillframe::pb::{
    self,
    source::{Compression, Format},
};

use super::{gzip, zstd};
use crate::support::TestServer;

const NDJSON: &str = "{\"_id\":\"a\",\"n\":1}\n\n  {\"_id\":\"b\",\"n\":9007199254740993}\r\n{\"_id\":\"c\"}";
const ARRAY: &str = "[{\"_id\":\"a\",\"n\":1},\n {\"_id\":\"b\",\"n\":9007199254740993}, {\"_id\":\"c\"}]\n";
const CSV: &str = "_id,n,text\na,1,\"x, \"\"y\"\"\"\nb,007,\n";

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, json)| ((*id).to_owned(), (*json).to_owned())).collect()
}

fn json_documents() -> Vec<(String, String)> {
    pairs(&[("a", r#"{"n":1}"#), ("b", r#"{"n":9007199254740993}"#), ("c", "{}")])
}

fn csv_documents() -> Vec<(String, String)> {
    pairs(&[("a", r#"{"n":"1","text":"x, \"y\""}"#), ("b", r#"{"n":"007","text":""}"#)])
}

#[apply(on_each_storage!)]
async fn names_tell_format_and_compression() {
    let mut server = TestServer::start().await;
    let contents = [("ndjson", NDJSON), ("jsonl", NDJSON), ("json", ARRAY), ("csv", CSV)];
    for (at, (ending, content)) in contents.into_iter().enumerate() {
        let packed = [("", content.as_bytes().to_vec()), (".gz", gzip(content).await), (".zst", zstd(content).await)];
        for (packing, bytes) in packed {
            let collection = format!("c{at}{}", packing.len());
            server.given_collection(&collection).await;
            server.import(&format!("{collection}/x.{ending}{packing}"), bytes);
            let source = pb::Source { location: server.location(&collection), ..super::quick(pb::Source::default()) };
            server.create_source(&collection, "in", source).await.unwrap();
            let ended = server.ingested(&collection, 1).await;
            let expected = if ending == "csv" { csv_documents() } else { json_documents() };
            assert_eq!(server.scan(&collection).await, expected, "{ending}{packing}");
            assert_eq!(ended.documents_ingested, i64::try_from(expected.len()).unwrap());
            assert_eq!((ended.bad_records, ended.bytes_read), (0, i64::try_from(content.len()).unwrap()));
        }
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_given_counts_more_than_names_and_other_objects_are_passed_over() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("part-0", gzip(NDJSON).await);
    let source =
        pb::Source { format: Format::Ndjson.into(), compression: Compression::Gzip.into(), ..Default::default() };
    server.given_source("books", source).await;
    server.ingested("books", 1).await;
    assert_eq!(server.scan("books").await, json_documents());

    server.given_collection("named").await;
    server.import("x.txt", "no json");
    server.import("_SUCCESS", "");
    server.import("x.ndjson", NDJSON);
    server.given_source("named", pb::Source::default()).await;
    server.ingested("named", 1).await;
    assert_eq!(server.scan("named").await, json_documents());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_pattern_takes_what_it_matches() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("2024/01/a.ndjson", super::ndjson(0, 1, 1));
    server.import("2024/02/deep/b.ndjson", super::ndjson(1, 2, 1));
    server.import("2025/01/c.ndjson", super::ndjson(2, 3, 1));
    server.given_source("books", pb::Source { pattern: "2024/**/*.ndjson".to_owned(), ..Default::default() }).await;
    server.ingested("books", 2).await;
    assert_eq!(server.scan("books").await, super::documents(0, 2, 1));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn many_batches_and_objects_are_all_there() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for part in 0..5 {
        server.import(&format!("{part}.ndjson.gz"), gzip(super::ndjson(part * 3_000, (part + 1) * 3_000, 1)).await);
    }
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 5).await;
    assert_eq!(ended.documents_ingested, 15_000);
    assert_eq!(server.scan("books").await, super::documents(0, 15_000, 1));
    assert_eq!(server.stats("books").await.offset, 15_000, "each was written once");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn tables_of_spreadsheets_and_data_frames_are_read() {
    let mut server = TestServer::start().await;
    for (collection, name, content, source) in [
        ("pandas", "x.csv", ",_id,n,n\n0,a,1,2\n", pb::Source::default()),
        ("excel", "x.csv", "sep=;\r\n_id;n\r\na;1,5\r\n", pb::Source::default()),
        ("tabs", "x.tsv", "_id\tn\na\t1,5\n", pb::Source::default()),
        ("given", "x.csv", "_id;n\na;1,5\n", pb::Source { csv_delimiter: ";".to_owned(), ..Default::default() }),
    ] {
        server.given_collection(collection).await;
        server.import(&format!("{collection}/{name}"), content);
        let source = pb::Source { location: server.location(collection), ..super::quick(source) };
        server.create_source(collection, "in", source).await.unwrap();
        let ended = server.ingested(collection, 1).await;
        assert_eq!(ended.bad_records, 0, "{collection}: {:?}", ended.first_bad_records);
        let expected = if collection == "pandas" { r#"{"column0":"0","n":"1","n_1":"2"}"# } else { r#"{"n":"1,5"}"# };
        assert_eq!(server.scan(collection).await, pairs(&[("a", expected)]), "{collection}");
    }
    server.given_collection("strict").await;
    server.import("strict/x.csv", "_id,n,n\na,1,2\n");
    let source = pb::Source { location: server.location("strict"), csv_strict_header: true, ..Default::default() };
    let created = server.create_source("strict", "in", super::quick(source)).await.unwrap();
    assert!(created.csv_strict_header);
    let ended = server.ingested("strict", 1).await;
    assert_eq!((ended.documents_ingested, ended.bad_records), (0, 1));
    assert!(ended.first_bad_records[0].reason.ends_with("repeats the name \"n\""), "{:?}", ended.first_bad_records);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_content_of_a_json_file_tells_its_records() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("object.json", "{\n \"_id\": \"object\",\n \"n\": [\n1\n]\n}\n");
    server.import("array.json", "[{\"_id\":\"array\"}]");
    server.import("lines.json", "{\"_id\":\"line1\"}\n?\n{\"_id\":\"line3\"}\n");
    server.import("jq.json", "{\n\"_id\":\"jq1\"\n}\n{\n\"_id\":\"jq2\"\n}\n");
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 4).await;
    let bad: Vec<_> = ended.first_bad_records.iter().map(|bad| (bad.path.as_str(), bad.line)).collect();
    assert_eq!((ended.bad_records, bad), (1, vec![("lines.json", 2)]));
    let ids: Vec<_> = server.scan("books").await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["array", "jq1", "jq2", "line1", "line3", "object"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn utf_16_and_padded_gzip_are_read() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let utf16: Vec<u8> = "\u{FEFF}_id,n\nä,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    server.import("x.csv", utf16);
    let mut padded = gzip("{\"_id\":\"b\"}\n").await;
    padded.resize(10_240, 0);
    server.import("y.ndjson.gz", padded);
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 2).await;
    assert_eq!(ended.bad_records, 0, "{:?}", ended.first_bad_records);
    assert_eq!(server.scan("books").await, pairs(&[("b", "{}"), ("ä", r#"{"n":"1"}"#)]));
    server.stop().await;
}
