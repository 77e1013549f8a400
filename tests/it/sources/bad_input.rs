//! What `CreateSource` and the names refuse.

use std::time::Duration;

use stillframe::pb;
use tonic::Code;

use super::source_name;
use crate::support::{BAD_IDS, TestServer, collection_name, refused, refused_fields, span};

#[apply(on_each_storage!)]
async fn every_field_is_checked() {
    let mut server = TestServer::start_with(|config| config.shortest_scan_interval = Duration::from_secs(1)).await;
    server.given_collection("books").await;
    let good = pb::Source { location: server.location(""), ..Default::default() };
    let bad = |field: &'static str, source: pb::Source| (field, source);
    let scan = |micros| Some(span(Duration::from_micros(micros)));
    let cases = [
        bad("source.location", pb::Source { location: String::new(), ..good.clone() }),
        bad("source.location", pb::Source { location: "http://a/b".to_owned(), ..good.clone() }),
        bad("source.location", pb::Source { location: "file:///a/../b".to_owned(), ..good.clone() }),
        bad("source.location", pb::Source { location: "s3://bucket/a%2e%2e/%2E%2E/b".to_owned(), ..good.clone() }),
        bad("source.pattern", pb::Source { pattern: "/absolute".to_owned(), ..good.clone() }),
        bad("source.pattern", pb::Source { pattern: "a/../b".to_owned(), ..good.clone() }),
        bad("source.pattern", pb::Source { pattern: "x".repeat(513), ..good.clone() }),
        bad("source.format", pb::Source { format: 99, ..good.clone() }),
        bad("source.compression", pb::Source { compression: 99, ..good.clone() }),
        bad("source.csv_delimiter", pb::Source { csv_delimiter: "\"".to_owned(), ..good.clone() }),
        bad("source.csv_delimiter", pb::Source { csv_delimiter: "x".to_owned(), ..good.clone() }),
        bad("source.csv_delimiter", pb::Source { csv_delimiter: ";;".to_owned(), ..good.clone() }),
        bad("source.id_field", pb::Source { id_field: "x".repeat(257), ..good.clone() }),
        bad("source.event_time_field", pb::Source { event_time_field: "_id".to_owned(), ..good.clone() }),
        bad("source.scan_interval", pb::Source { scan_interval: scan(999_999), ..good.clone() }),
        bad("source.scan_interval", pb::Source { scan_interval: scan(3_600_000_001), ..good.clone() }),
        bad("source.max_bad_records", pb::Source { max_bad_records: Some(-1), ..good.clone() }),
        bad("source.max_bad_records", pb::Source { max_bad_records: Some(1_000_000_001), ..good.clone() }),
    ];
    for (field, source) in cases {
        refused_fields(server.create_source("books", "in", source).await, &[field]);
    }
    let edge = pb::Source {
        scan_interval: scan(1_000_000),
        max_bad_records: Some(1_000_000_000),
        pattern: "x".repeat(512),
        id_field: "x".repeat(256),
        ..good
    };
    server.create_source("books", "in", edge).await.unwrap();
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn names_are_checked() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let good = pb::Source { location: server.location(""), ..Default::default() };
    for id in BAD_IDS {
        refused_fields(server.create_source("books", id, good.clone()).await, &["source_id"]);
        refused_fields(server.get_source("books", id).await, &["name"]);
    }
    let request = pb::CreateSourceRequest { parent: "workspaces/commons".to_owned(), ..Default::default() };
    refused_fields(server.sources.create_source(request).await, &["parent", "source"]);
    for name in [source_name("none", "in"), source_name("books", "none")] {
        let get = pb::GetSourceRequest { name: name.clone() };
        refused(server.sources.get_source(get).await, Code::NotFound, "NOT_FOUND");
        let suspend = pb::SuspendSourceRequest { name: name.clone() };
        refused(server.sources.suspend_source(suspend).await, Code::NotFound, "NOT_FOUND");
        let resume = pb::ResumeSourceRequest { name: name.clone() };
        refused(server.sources.resume_source(resume).await, Code::NotFound, "NOT_FOUND");
        let watch = pb::WatchSourceRequest { name };
        refused(server.sources.watch_source(watch).await.map(|_| ()), Code::NotFound, "NOT_FOUND");
    }
    let list = pb::ListSourcesRequest { parent: collection_name("none"), ..Default::default() };
    refused(server.sources.list_sources(list).await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}
