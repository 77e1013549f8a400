//! Ids that are not accepted, wherever they stand.

use stillframe::pb::patch_operation::Op;
use tonic::Code::InvalidArgument;

use super::{op, patch, upsert_bytes};
use crate::support::{TestServer, delete, json, upsert};

const INVALID: &str = "INVALID_FIELD";

fn bad_ids() -> Vec<String> {
    let controls = ['\0', '\n', '\u{1f}', '\u{7f}', '\u{80}', '\u{9f}'];
    controls.iter().map(|c| format!("a{c}b")).chain(["x".repeat(1025), "é".repeat(513)]).collect()
}

#[apply(on_each_storage!)]
async fn control_characters_and_long_ids_are_refused() {
    let mut server = TestServer::with_collection().await;
    let mut cases = Vec::new();
    for id in bad_ids() {
        let test = vec![op(Op::Test, "/a", "1")];
        cases.push((upsert(&id, "{}"), InvalidArgument, INVALID, &["upsert.id"][..]));
        cases.push((patch(&id, test), InvalidArgument, INVALID, &["patch.id"][..]));
        cases.push((delete(&id), InvalidArgument, INVALID, &["delete_id"][..]));
    }
    server.check_refused(cases).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn empty_ids_are_refused_except_in_an_upsert() {
    let mut server = TestServer::with_collection().await;
    let test = vec![op(Op::Test, "/a", "1")];
    let cases = vec![
        (patch("", test), InvalidArgument, INVALID, &["patch.id"][..]),
        (delete(""), InvalidArgument, INVALID, &["delete_id"][..]),
        (upsert("", r#"{"_id":""}"#), InvalidArgument, INVALID, &["upsert.id"][..]),
    ];
    server.check_refused(cases).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn ids_of_1024_bytes_and_any_script_are_accepted() {
    let mut server = TestServer::with_collection().await;
    for id in ["x".repeat(1024), "é".repeat(512), "a/b c\"\\%".to_owned(), "日本😀\u{202e}".to_owned()] {
        let result = server.write_one(upsert(&id, r#"{"n":1}"#)).await;
        assert_eq!((result.error, &result.id), (None, &id));
        assert_eq!(json(&server.read(&id).await.unwrap()), r#"{"n":1}"#);
    }
    assert_eq!(server.scan("c").await.len(), 4);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_id_in_the_body_is_lifted_out_and_must_agree() {
    let mut server = TestServer::with_collection().await;
    let inner = server.write_one(upsert("", r#"{"a":1,"_id":"inner","b":{"_id":2}}"#)).await;
    assert_eq!(inner.id, "inner");
    assert_eq!(json(&server.read("inner").await.unwrap()), r#"{"a":1,"b":{"_id":2}}"#);
    assert_eq!(server.write_one(upsert("", r#"{"_id":7}"#)).await.id, "7", "an integer is its digits");
    assert_eq!(json(&server.read("7").await.unwrap()), "{}");
    assert!(server.write_one(upsert("same", r#"{"_id":"s\u0061me"}"#)).await.error.is_none());
    assert_eq!(json(&server.read("same").await.unwrap()), "{}");
    server.write("c", vec![delete("inner"), delete("same"), delete("7")]).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_bad_id_in_the_body_is_refused() {
    let mut server = TestServer::with_collection().await;
    let long = format!(r#"{{"_id":"{}"}}"#, "x".repeat(1025));
    let cases = vec![
        (upsert("a", r#"{"_id":"b"}"#), InvalidArgument, INVALID, &["upsert.id"][..]),
        (upsert("a", r#"{"_id":7}"#), InvalidArgument, INVALID, &["upsert.id"][..]),
        (upsert("", r#"{"_id":7.0}"#), InvalidArgument, INVALID, &["upsert.json"][..]),
        (upsert("", r#"{"_id":null}"#), InvalidArgument, INVALID, &["upsert.json"][..]),
        (upsert("", r#"{"_id":"a\nb"}"#), InvalidArgument, INVALID, &["upsert.id"][..]),
        (upsert_bytes("", long), InvalidArgument, INVALID, &["upsert.id"][..]),
    ];
    server.check_refused(cases).await;
    server.stop().await;
}
