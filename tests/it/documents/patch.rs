//! Patches that are applied.

use prost_types::value::Kind;
use stillframe::pb::{self, patch_operation::Op, write_result::Status};

use super::{op, op_from, patch};
use crate::support::{TestServer, json, upsert};

/// What a patch makes of a body.
async fn patched(server: &mut TestServer, body: &str, operations: Vec<pb::PatchOperation>) -> String {
    server.write_one(upsert("d", body)).await;
    let result = server.write_one(patch("d", operations)).await;
    assert_eq!(result.status(), Status::Patched, "{result:?}");
    let document = server.read("d").await.unwrap();
    assert_eq!(document.etag, result.etag);
    json(&document)
}

#[apply(on_each_storage!)]
async fn each_operation_does_what_rfc_6902_says() {
    let mut server = TestServer::with_collection().await;
    let body = r#"{"a":1,"l":[1,2],"o":{"x":1},"s/t":0,"m~n":0}"#;
    for (operation, expected) in [
        (op(Op::Add, "/b", "2"), r#"{"a":1,"l":[1,2],"o":{"x":1},"s/t":0,"m~n":0,"b":2}"#),
        (op(Op::Add, "/a", "null"), r#"{"a":null,"l":[1,2],"o":{"x":1},"s/t":0,"m~n":0}"#),
        (op(Op::Add, "/l/1", "[]"), r#"{"a":1,"l":[1,[],2],"o":{"x":1},"s/t":0,"m~n":0}"#),
        (op(Op::Add, "/l/-", "3"), r#"{"a":1,"l":[1,2,3],"o":{"x":1},"s/t":0,"m~n":0}"#),
        (op(Op::Add, "/l/2", "3"), r#"{"a":1,"l":[1,2,3],"o":{"x":1},"s/t":0,"m~n":0}"#),
        (op(Op::Replace, "/o", "\"é\""), r#"{"a":1,"l":[1,2],"o":"é","s/t":0,"m~n":0}"#),
        (op(Op::Replace, "/s~1t", "1"), r#"{"a":1,"l":[1,2],"o":{"x":1},"s/t":1,"m~n":0}"#),
        (op(Op::Replace, "", r#"{"new":1}"#), r#"{"new":1}"#),
        (op_from(Op::Remove, "", "/m~0n"), r#"{"a":1,"l":[1,2],"o":{"x":1},"s/t":0}"#),
        (op_from(Op::Remove, "", "/l/0"), r#"{"a":1,"l":[2],"o":{"x":1},"s/t":0,"m~n":0}"#),
        (op_from(Op::Copy, "/o", "/l/0"), r#"{"a":1,"l":[{"x":1},1,2],"o":{"x":1},"s/t":0,"m~n":0}"#),
        (op_from(Op::Move, "/o/x", "/a"), r#"{"a":1,"l":[1,2],"o":{},"s/t":0,"m~n":0}"#),
        (op(Op::Test, "/o", r#"{"x":1.0}"#), body),
        (op(Op::Increment, "/a", "-3"), r#"{"a":-2,"l":[1,2],"o":{"x":1},"s/t":0,"m~n":0}"#),
    ] {
        assert_eq!(patched(&mut server, body, vec![operation.clone()]).await, expected, "{operation:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn operations_follow_each_other() {
    let mut server = TestServer::with_collection().await;
    let operations = vec![
        op(Op::Add, "/l", "[]"),
        op(Op::Add, "/l/-", "1"),
        op_from(Op::Copy, "/l", "/k"),
        op(Op::Increment, "/k/0", "41"),
        op(Op::Test, "/k", "[42]"),
        op_from(Op::Move, "/k/0", "/answer"),
    ];
    assert_eq!(patched(&mut server, "{}", operations).await, r#"{"l":[1],"k":[],"answer":42}"#);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn key_order_and_the_text_of_other_numbers_stay() {
    let mut server = TestServer::with_collection().await;
    let body = r#"{"z":1.0,"b":18446744073709551615,"y":{"k":1E5,"j":-0},"a":0.10,"n":1}"#;
    let operations = vec![op_from(Op::Remove, "", "/b"), op(Op::Increment, "/n", "1")];
    let expected = r#"{"z":1.0,"y":{"k":1E5,"j":-0},"a":0.10,"n":2}"#;
    assert_eq!(patched(&mut server, body, operations).await, expected);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn increments_are_exact_over_64_bits() {
    let mut server = TestServer::with_collection().await;
    for (from, by, to) in [
        ("9007199254740993", "2", "9007199254740995"),
        ("9223372036854775806", "1", "9223372036854775807"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("18446744073709551615", "-1", "18446744073709551614"),
        ("-9223372036854775808", "1", "-9223372036854775807"),
        ("1", "0.5", "1.5"),
        ("1e2", "1", "101.0"),
    ] {
        let body = format!(r#"{{"n":{from}}}"#);
        let found = patched(&mut server, &body, vec![op(Op::Increment, "/n", by)]).await;
        assert_eq!(found, format!(r#"{{"n":{to}}}"#), "{from} + {by}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_operand_may_be_a_value_for_people() {
    let mut server = TestServer::with_collection().await;
    let value = |kind| Some(pb::patch_operation::Operand::Value(prost_types::Value { kind: Some(kind) }));
    let increment = pb::PatchOperation { operand: value(Kind::NumberValue(2.0)), ..op(Op::Increment, "/n", "") };
    let add = pb::PatchOperation { operand: value(Kind::StringValue("x".into())), ..op(Op::Add, "/s", "") };
    assert_eq!(patched(&mut server, r#"{"n":1}"#, vec![increment, add]).await, r#"{"n":3,"s":"x"}"#);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_event_time_stays() {
    let mut server = TestServer::with_collection().await;
    patched(&mut server, r#"{"_event_time":5000,"n":1}"#, vec![op(Op::Increment, "/n", "1")]).await;
    assert_eq!(server.read("d").await.unwrap().event_time, Some(super::seconds(5)));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_document_that_does_not_exist_is_not_found() {
    let mut server = TestServer::with_collection().await;
    let result = server.write_one(patch("nobody", vec![op(Op::Add, "/n", "1")])).await;
    assert_eq!((result.status(), result.error, result.etag.as_str()), (Status::NotFound, None, ""));
    assert_eq!(server.stats("c").await.offset, 0);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_changes_nothing_keeps_bytes_and_etag_and_writes_nothing() {
    let mut server = TestServer::with_collection().await;
    let body = r#"{ "a": 1.50, "b": "\u00e9\/" }"#;
    let written = server.write_one(upsert("d", body)).await;
    for operations in [
        vec![op(Op::Test, "/a", "1.5")],
        vec![op_from(Op::Move, "/a", "/a")],
        vec![op(Op::Test, "/a", "1.5"), op_from(Op::Move, "/b", "/b"), op(Op::Test, "/b", "\"é/\"")],
        vec![op(Op::Replace, "/b", "\"é/\"")],
        vec![op(Op::Add, "/c", "1"), op_from(Op::Remove, "", "/c")],
    ] {
        let result = server.write_one(patch("d", operations.clone())).await;
        assert_eq!((result.status(), &result.etag), (Status::Patched, &written.etag), "{operations:?}");
        let document = server.read("d").await.unwrap();
        assert_eq!((json(&document).as_str(), &document.etag), (body, &written.etag), "{operations:?}");
    }
    assert_eq!(server.stats("c").await.offset, 1);
    // Another text of the same number is another document.
    let result = server.write_one(patch("d", vec![op(Op::Replace, "/a", "1.5")])).await;
    assert_eq!(json(&server.read("d").await.unwrap()), r#"{"a":1.5,"b":"é/"}"#);
    assert_ne!(result.etag, written.etag);
    assert_eq!(server.stats("c").await.offset, 2);
    server.stop().await;
}
