//! JSON goes in and comes out byte for byte.

use super::{fields, upsert_of};
use crate::support::{TestServer, collect, collection_name, json, upsert};
use prost_types::value::Kind;
use stillframe::pb;

const BODIES: &[&str] = &[
    "{}",
    r#"{"n":9223372036854775807,"m":-9223372036854775808,"u":18446744073709551615}"#,
    r#"{"big":123456789012345678901234567890.12345678901234567890}"#,
    r#"{"a":1.0,"b":1e5,"c":1E+05,"d":-0,"e":-0.0,"f":0.10,"g":1e999}"#,
    r#"{"z":1,"a":2,"m":{"y":1,"b":2},"":3}"#,
    r#"{"text":"日本 😀 é ü","escaped":"\u00e9\ud83d\ude00\/\b","Ключ":null}"#,
    "{ \"a\" :\t[ 1 ,\r\n 2 ] , \"b\":{ } }",
    r#"{"a":{"_id":7,"_event_time":"never"},"_ID":1}"#,
];

#[apply(on_each_storage!)]
async fn every_way_of_reading_gives_the_bytes_that_were_written() {
    let mut server = TestServer::with_collection().await;
    let expected: Vec<_> = BODIES.iter().enumerate().map(|(n, body)| (n.to_string(), (*body).to_owned())).collect();
    server.write("c", expected.iter().map(|(id, body)| upsert(id, body)).collect()).await;

    for (id, body) in &expected {
        assert_eq!(json(&server.read(id).await.unwrap()), *body);
    }
    assert_eq!(server.scan("c").await, expected);
    let list = pb::ListDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let listed = server.documents.list_documents(list).await.unwrap().into_inner().documents;
    assert_eq!(listed.iter().map(|d| (d.id.clone(), json(d))).collect::<Vec<_>>(), expected);
    let ids = expected.iter().map(|(id, _)| id.clone()).collect();
    let get = pb::BatchGetDocumentsRequest { collection: collection_name("c"), ids, ..Default::default() };
    let got = server.documents.batch_get_documents(get).await.unwrap().into_inner().documents;
    assert_eq!(got, listed);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn they_are_the_same_after_a_restart() {
    let mut server = TestServer::with_collection().await;
    server.write("c", BODIES.iter().enumerate().map(|(n, body)| upsert(&n.to_string(), body)).collect()).await;
    let (before, stats) = (server.scan("c").await, server.stats("c").await);
    let mut server = TestServer::reopen(server.stop().await).await;
    assert_eq!(server.scan("c").await, before);
    let again = server.stats("c").await;
    assert_eq!((again.digest, again.size_bytes, again.offset), (stats.digest, stats.size_bytes, stats.offset));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn only_blanks_around_the_object_and_lifted_members_go() {
    let mut server = TestServer::with_collection().await;
    for (body, kept) in [
        (" \n{ \"a\" : 1 } \t", "{ \"a\" : 1 }"),
        (r#"{"_id":"x", "a":1.0 , "_event_time":0}"#, r#"{"a":1.0}"#),
        (r#"{ "a":1, "_id":"x" , "b":2 }"#, r#"{ "a":1, "b":2 }"#),
    ] {
        server.write_one(upsert("x", body)).await;
        assert_eq!(json(&server.read("x").await.unwrap()), kept, "{body}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_same_document_has_the_same_etag_whichever_way_it_was_written() {
    let mut server = TestServer::with_collection().await;
    let at = |mut document: pb::Document| {
        document.event_time = Some(super::seconds(5));
        upsert_of(document)
    };
    let text = pb::document::Body::Json(r#"{"a":"x","b":3}"#.into());
    let written = server.write_one(at(pb::Document { id: "d".into(), body: Some(text), ..Default::default() })).await;
    let members = [("b", Kind::NumberValue(3.0)), ("a", Kind::StringValue("x".into()))];
    let again = server.write_one(at(fields("d", members))).await;
    assert_eq!(again.etag, written.etag);
    let stream = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
    let messages = collect(server.documents.stream_documents(stream).await.unwrap().into_inner()).await.unwrap();
    assert_eq!(messages[1].documents[0].etag, written.etag);
    server.stop().await;
}
