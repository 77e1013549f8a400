//! In a collection with a retention, a record out of its range is bad.

use std::time::Duration;

use stillframe::pb;

use crate::support::{COMMONS, TestServer, span};

#[apply(on_each_storage!)]
async fn event_times_out_of_range_are_bad_records() {
    let mut server = TestServer::start().await;
    let request = pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "books".to_owned(),
        collection: Some(pb::Collection {
            retention: Some(span(Duration::from_secs(24 * 60 * 60))),
            ..Default::default()
        }),
        ..Default::default()
    };
    server.collections.create_collection(request).await.unwrap();
    let now = server.clock.now() / 1000;
    let record = |id: &str, at: i64| format!("{{\"_id\":\"{id}\",\"at\":{at}}}\n");
    let far = 30 * 24 * 60 * 60 * 1000;
    let records = [record("old", now - far), record("good", now), record("ahead", now + far)].concat();
    server.import("x.ndjson", records);
    server.given_source("books", pb::Source { event_time_field: "at".to_owned(), ..Default::default() }).await;
    let ended = server.ingested("books", 1).await;
    assert_eq!((ended.documents_ingested, ended.bad_records), (1, 2));
    assert_eq!(ended.first_bad_records.iter().map(|bad| bad.line).collect::<Vec<_>>(), [1, 3]);
    assert!(ended.first_bad_records[0].reason.contains("outside what the retention"));
    assert_eq!(server.scan("books").await.len(), 1);
    server.stop().await;
}
