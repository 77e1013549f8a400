//! Bodies that are not accepted. Each fails alone.

use tonic::Code::InvalidArgument;

use super::{MIB, body_of, error_of, upsert_bytes};
use crate::support::{TestServer, reason, upsert};

const INVALID: &str = "INVALID_FIELD";

/// So many levels, the outermost object included.
fn nested(levels: usize) -> String {
    format!(r#"{{"a":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1))
}

#[apply(on_each_storage!)]
async fn what_is_not_a_json_object_is_refused() {
    let mut server = TestServer::with_collection().await;
    let bodies: [&[u8]; 12] = [
        b"",
        b"[]",
        b"[{}]",
        b"1",
        b"\"text\"",
        b"null",
        b"{} {}",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{\"a\":01}",
        b"{\"a\":NaN}",
        b"{\"a\":\"\n\"}",
    ];
    let cases = bodies.map(|body| (upsert_bytes("bad", body), InvalidArgument, INVALID, &["upsert.json"][..]));
    server.check_refused(cases.into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn text_that_is_not_unicode_is_refused() {
    let mut server = TestServer::with_collection().await;
    let bodies: [&[u8]; 5] = [
        b"{\"a\":\"\xff\"}",
        b"{\"\xc3\":1}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        br#"{"a":"\ud800"}"#,
        br#"{"a":"\udc00\ud800"}"#,
    ];
    let cases = bodies.map(|body| (upsert_bytes("bad", body), InvalidArgument, INVALID, &["upsert.json"][..]));
    server.check_refused(cases.into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_duplicate_key_is_named_at_any_depth() {
    let mut server = TestServer::with_collection().await;
    for (body, path) in [
        (r#"{"a":1,"a":1}"#, "/a"),
        (r#"{"a":1,"\u0061":2}"#, "/a"),
        (r#"{"x":[0,{"y":{"k":1,"k":2}}]}"#, "/x/1/y/k"),
        (r#"{"_id":"a","_id":"a"}"#, "/_id"),
    ] {
        let error = error_of(&server.write_one(upsert("bad", body)).await);
        assert_eq!(reason(&error), INVALID);
        assert!(error.message().contains(&format!("{path} occurs twice")), "{error:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_hundred_levels_are_accepted_and_no_more() {
    let mut server = TestServer::with_collection().await;
    assert!(server.write_one(upsert("deep", &nested(100))).await.error.is_none());
    let error = error_of(&server.write_one(upsert("bad", &nested(101))).await);
    assert!(error.message().contains("more than 100 levels"), "{error:?}");
    assert_eq!(crate::support::json(&server.read("deep").await.unwrap()), nested(100));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_megabyte_of_brackets_is_refused() {
    let mut server = TestServer::with_collection().await;
    let bombs = ["[".repeat(MIB), format!("{{\"a\":{}", "[".repeat(MIB)), "{\"a\":".repeat(MIB / 5)];
    let cases = bombs.map(|bomb| (upsert("bad", &bomb), InvalidArgument, INVALID, &["upsert.json"][..]));
    server.check_refused(cases.into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_body_of_two_mebibytes_is_accepted_and_no_more() {
    let mut server = TestServer::with_collection().await;
    let largest = body_of(2 * MIB);
    assert!(server.write_one(upsert("large", &largest)).await.error.is_none());
    assert!(server.read("large").await.unwrap().body == Some(stillframe::pb::document::Body::Json(largest.into())));
    let error = error_of(&server.write_one(upsert("large", &body_of(2 * MIB + 1))).await);
    assert_eq!((error.code(), reason(&error).as_str()), (InvalidArgument, "DOCUMENT_TOO_LARGE"));
    assert_eq!(server.stats("c").await.size_bytes, 5 + 8 + (2 << 20), "the one before stays");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_is_lifted_out_does_not_count_for_the_size() {
    let mut server = TestServer::with_collection().await;
    let id = "i".repeat(1024);
    let body = body_of(2 * MIB).replacen('{', &format!(r#"{{"_id":"{id}","_event_time":0,"#), 1);
    let result = server.write_one(upsert("", &body)).await;
    assert_eq!((result.id, result.error), (id, None));
    server.stop().await;
}
