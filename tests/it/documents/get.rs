//! One document at a time.

use stillframe::pb::{self, Encoding, document::Body};
use tonic::Code;

use super::{invalid, refusal};
use crate::support::{TestServer, collection_name, delete, upsert};

#[apply(on_each_storage!)]
async fn a_document_is_read_as_it_was_acknowledged() {
    let mut server = TestServer::with_collection().await;
    let etag = server.write_one(upsert("a", r#"{"_event_time":1500,"n":1}"#)).await.etag;
    let document = server.read_as("a", Encoding::Unspecified).await.unwrap();
    let expected = pb::Document {
        id: "a".to_owned(),
        event_time: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
        body: Some(Body::Json(r#"{"n":1}"#.into())),
        etag,
    };
    assert_eq!(document, expected, "JSON unless asked otherwise");
    assert_eq!(server.read_as("a", Encoding::Json).await.unwrap(), expected);
    assert!(matches!(server.read_as("a", Encoding::Fields).await.unwrap().body, Some(Body::Fields(_))));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_does_not_exist_is_not_found() {
    let mut server = TestServer::with_collection().await;
    server.write("c", vec![upsert("gone", "{}"), delete("gone")]).await;
    for id in ["gone", "never", "GONE"] {
        let error = server.read(id).await.unwrap_err();
        assert_eq!(refusal(&error), (Code::NotFound, "DOCUMENT_NOT_FOUND".to_owned(), Vec::new()));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn all_bad_arguments_are_told_at_once() {
    let mut server = TestServer::with_collection().await;
    for id in [String::new(), "a\nb".to_owned(), "x".repeat(1025)] {
        let request = pb::GetDocumentRequest { collection: collection_name("c"), id, encoding: 99 };
        let error = server.documents.get_document(request).await.unwrap_err();
        assert_eq!(refusal(&error), invalid(&["encoding", "id"]));
    }
    server.stop().await;
}
