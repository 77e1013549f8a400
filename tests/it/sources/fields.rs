//! Ids and event times come from where a source says, or from a record's place.

use stillframe::pb;

use crate::support::{TestServer, collection_name, micros};

async fn get(server: &mut TestServer, id: &str) -> pb::Document {
    let request =
        pb::GetDocumentRequest { collection: collection_name("books"), id: id.to_owned(), ..Default::default() };
    server.documents.get_document(request).await.unwrap().into_inner()
}

#[apply(on_each_storage!)]
async fn named_fields_are_read_and_stay() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("x.ndjson", "{\"key\":42,\"at\":\"2024-05-01T00:00:00Z\"}\n{\"key\":\"b\",\"at\":1714521600001}\n");
    let source = pb::Source { id_field: "key".to_owned(), event_time_field: "at".to_owned(), ..pb::Source::default() };
    server.given_source("books", source).await;
    server.ingested("books", 1).await;
    let document = get(&mut server, "42").await;
    assert_eq!(crate::support::json(&document), r#"{"key":42,"at":"2024-05-01T00:00:00Z"}"#);
    assert_eq!(micros(document.event_time.as_ref()), 1_714_521_600_000_000);
    assert_eq!(micros(get(&mut server, "b").await.event_time.as_ref()), 1_714_521_600_001_000);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn reserved_names_are_read_as_named_fields_are() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("x.csv", "_id,_event_time,n\na,1790000000000,1\nb,,2\n,1790000000001,3\n");
    server.import("y.ndjson", "{\"_id\":7,\"_event_time\":\"1790000000002\"}\n");
    server.given_source("books", pb::Source::default()).await;
    let ended = server.ingested("books", 2).await;
    assert_eq!((ended.documents_ingested, ended.bad_records), (4, 0), "{:?}", ended.first_bad_records);
    assert_eq!(micros(get(&mut server, "a").await.event_time.as_ref()), 1_790_000_000_000_000);
    assert_eq!(crate::support::json(&get(&mut server, "b").await), r#"{"n":"2"}"#);
    assert_eq!(micros(get(&mut server, "7").await.event_time.as_ref()), 1_790_000_000_002_000);
    server.stop().await;
}

/// **O4**
#[apply(on_each_storage!)]
async fn a_record_without_an_id_keeps_its_place_as_its_id() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.import("x.ndjson", "{\"n\":1}\n{\"n\":2}\n");
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    let first = server.scan("books").await;
    server.import("x.ndjson", "{\"n\":1}\n{\"n\":3}\n{\"n\":4}\n");
    server.ingested("books", 2).await;
    let second = server.scan("books").await;
    assert_eq!((first.len(), second.len()), (2, 3));
    assert!(first.iter().all(|(id, _)| second.iter().any(|(other, _)| other == id)));
    let bodies: std::collections::BTreeSet<_> = second.into_iter().map(|(_, json)| json).collect();
    assert_eq!(bodies.into_iter().collect::<Vec<_>>(), [r#"{"n":1}"#, r#"{"n":3}"#, r#"{"n":4}"#]);
    server.stop().await;
}
