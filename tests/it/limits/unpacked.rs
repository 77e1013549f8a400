//! Messages that are much larger in memory than on the wire.

use prost::Message;
use stillframe::pb::{self, Role};
use tonic::{Code, codec::CompressionEncoding};

use crate::support::{TestServer, collection_name, reason, refused};

/// A length-delimited field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend(bytes);
    out
}

/// A `google.protobuf.Value` that holds a list of so many of a value.
fn list_of(value: &[u8], count: usize) -> Vec<u8> {
    field(6, &field(1, value).repeat(count))
}

/// An object with one member that has no value: six bytes for a node of a map.
fn object() -> Vec<u8> {
    field(5, &field(1, &[]))
}

fn as_fields(value: &[u8]) -> prost_types::Struct {
    let entry = [field(1, b"a"), field(2, value)].concat();
    prost_types::Struct::decode(&field(1, &entry)[..]).unwrap()
}

fn written(fields: prost_types::Struct) -> pb::WriteDocumentsRequest {
    let body = Some(pb::document::Body::Fields(fields.into()));
    let document = pb::Document { id: "a".to_owned(), body, ..Default::default() };
    let operation = Some(pb::write::Operation::Upsert(document));
    let writes = vec![pb::Write { operation, ..Default::default() }];
    pb::WriteDocumentsRequest { collection: collection_name("books"), writes, ..Default::default() }
}

#[apply(on_directory!)]
async fn what_would_take_too_much_is_refused_before_it_is_made() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut documents = server.documents.clone().send_compressed(CompressionEncoding::Zstd);
    let empty_writes = pb::WriteDocumentsRequest {
        writes: vec![pb::Write::default(); 2_000_000],
        ..written(prost_types::Struct::default())
    };
    let operations = vec![pb::PatchOperation::default(); 2_000_000];
    let patch = pb::Patch { id: "a".to_owned(), operations };
    let operation = Some(pb::write::Operation::Patch(patch));
    let patches = pb::WriteDocumentsRequest {
        writes: vec![pb::Write { operation, ..Default::default() }],
        ..written(prost_types::Struct::default())
    };
    for (what, request) in [
        ("objects of one member", written(as_fields(&list_of(&object(), 400_000)))),
        ("empty writes", empty_writes),
        ("operations of a patch", patches),
    ] {
        let status = documents.write_documents(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"), "{what}");
        assert!(status.message().contains("unpacked"), "{what}: {}", status.message());
    }
    // As large a body as there may be, of what bodies are made of.
    let fields = as_fields(&list_of(&field(3, b"some words of a text, as there are many"), 40_000));
    let answer = documents.write_documents(written(fields)).await.unwrap().into_inner();
    assert_eq!(answer.results[0].status(), pb::write_result::Status::Added);
    server.stop().await;
}

/// What cannot be theirs to write is not taken in, be it packed or long.
#[apply(on_directory!)]
async fn of_who_may_write_nowhere_nothing_large_is_taken_in() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_workspace("team").await;
    let mut root = server.given_operator().await;
    let reader = root.given_key("reader", &[("commons", Role::Reader), ("team", Role::Reader)]).await;
    let request = written(as_fields(&list_of(&field(3, b"text"), 10_000)));
    for encoding in [None, Some(CompressionEncoding::Gzip)] {
        let mut documents = server.caller(Some(&reader)).documents;
        if let Some(encoding) = encoding {
            documents = documents.send_compressed(encoding);
        }
        let status =
            refused(documents.write_documents(request.clone()).await, Code::PermissionDenied, "PERMISSION_DENIED");
        let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
        // Where it would be is not even read.
        assert_eq!(
            (info.metadata["permission"].as_str(), info.metadata["resource"].as_str()),
            ("WRITE", "workspaces/-")
        );
    }
    let small = written(as_fields(&field(3, b"text")));
    let status = server.caller(Some(&reader)).documents.write_documents(small).await;
    let status = refused(status, Code::PermissionDenied, "PERMISSION_DENIED");
    let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
    assert_eq!(info.metadata["resource"], "workspaces/commons");
    server.stop().await;
}
