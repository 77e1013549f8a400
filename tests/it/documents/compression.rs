//! zstd and gzip, both ways, for who asks.

use stillframe::pb;
use tonic::{Request, codec::CompressionEncoding};

use super::{MIB, body_of, refusal, upsert_bytes};
use crate::support::{TestServer, collection_name};

#[apply(on_each_storage!)]
async fn both_encodings_work_both_ways() {
    let mut server = TestServer::with_collection().await;
    for (encoding, name) in [(CompressionEncoding::Zstd, "zstd"), (CompressionEncoding::Gzip, "gzip")] {
        let mut documents = server.documents.clone().send_compressed(encoding).accept_compressed(encoding);
        let body = body_of(MIB);
        let request = pb::WriteDocumentsRequest {
            collection: collection_name("c"),
            writes: vec![upsert_bytes(name, body.clone())],
            ..Default::default()
        };
        documents.write_documents(request).await.unwrap();
        let request =
            pb::GetDocumentRequest { collection: collection_name("c"), id: name.into(), ..Default::default() };
        let answer = documents.get_document(request).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        assert!(answer.into_inner().body == Some(pb::document::Body::Json(body.into())));
    }
    assert_eq!(server.stats("c").await.document_count, 2);
    server.stop().await;
}

/// Messages of all sizes, each packed by itself.
#[apply(on_each_storage!)]
async fn a_stream_is_the_same_in_both_encodings() {
    let mut server = TestServer::with_collection().await;
    let sizes = [100, MIB, 200, MIB / 2, 300];
    let writes = (0..).zip(sizes).map(|(nth, size)| upsert_bytes(&nth.to_string(), body_of(size))).collect();
    server.write("c", writes).await;
    let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    for (encoding, name) in [(CompressionEncoding::Zstd, "zstd"), (CompressionEncoding::Gzip, "gzip")] {
        let mut documents = server.documents.clone().accept_compressed(encoding);
        let answer = documents.stream_documents(request.clone()).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        let mut messages = answer.into_inner();
        let mut bodies = Vec::new();
        while let Some(message) = messages.message().await.unwrap() {
            bodies.extend(message.documents.into_iter().map(|document| document.body));
        }
        let written = sizes.map(|size| Some(pb::document::Body::Json(body_of(size).into())));
        assert!(bodies == written, "{name}: {} documents", bodies.len());
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn who_does_not_ask_gets_nothing_compressed() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert_bytes("a", body_of(MIB))).await;
    let request = pb::GetDocumentRequest { collection: collection_name("c"), id: "a".into(), ..Default::default() };
    let answer = server.documents.get_document(Request::new(request)).await.unwrap();
    assert!(answer.metadata().get("grpc-encoding").is_none());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_message_that_unpacks_beyond_the_limit_is_refused() {
    let server = TestServer::with_collection().await;
    for encoding in [CompressionEncoding::Zstd, CompressionEncoding::Gzip] {
        let mut documents = server.documents.clone().send_compressed(encoding);
        let writes = vec![upsert_bytes("bomb", vec![b'['; 64 * MIB])];
        let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
        let error = documents.write_documents(request).await.unwrap_err();
        assert_eq!(refusal(&error), (tonic::Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned(), Vec::new()));
    }
    server.stop().await;
}
