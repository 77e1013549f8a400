//! Patches that fail leave the document as it was.

use stillframe::pb::{self, patch_operation::Op};
use tonic::Code;

use super::{MIB, body_of, error_of, invalid, op, op_from, patch, refusal};
use crate::support::{TestServer, json, upsert};

const BODY: &str = r#"{"z":1.0,"a":{"b":[1,2]},"max":18446744073709551615,"min":-9223372036854775808,"s":"x"}"#;

async fn given() -> TestServer {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("d", BODY)).await;
    server
}

/// Applies a patch that must fail, behind an operation that alone would not.
async fn failure(server: &mut TestServer, operation: pb::PatchOperation) -> (Code, String, Vec<String>) {
    let before = server.read("d").await.unwrap();
    let result = server.write_one(patch("d", vec![op(Op::Add, "/first", "1"), operation])).await;
    let after = server.read("d").await.unwrap();
    assert_eq!(after, before, "all or nothing");
    refusal(&error_of(&result))
}

/// An operation that lacks nothing.
fn op_of(kind: Op) -> pb::PatchOperation {
    pb::PatchOperation { source_path: Some("/a".to_owned()), ..op(kind, "/z", r#"{"c":3}"#) }
}

fn failed() -> (Code, String, Vec<String>) {
    (Code::FailedPrecondition, "PATCH_FAILED".to_owned(), Vec::new())
}

#[apply(on_each_storage!)]
async fn what_does_not_fit_the_document_fails() {
    let mut server = given().await;
    for operation in [
        op(Op::Test, "/z", "2"),
        op(Op::Test, "/missing", "null"),
        op(Op::Replace, "/missing", "1"),
        op(Op::Add, "/missing/deeper", "1"),
        op(Op::Add, "/a/b/3", "1"),
        op(Op::Add, "/a/b/01", "1"),
        op(Op::Add, "/s/x", "1"),
        op(Op::Replace, "", "[]"),
        op_from(Op::Remove, "", "/missing"),
        op_from(Op::Remove, "", "/a/b/2"),
        op_from(Op::Remove, "", ""),
        op_from(Op::Copy, "/missing", "/x"),
        op_from(Op::Move, "/a", "/a/b/0"),
    ] {
        assert_eq!(failure(&mut server, operation.clone()).await, failed(), "{operation:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_increment_that_overflows_or_finds_no_number_fails() {
    let mut server = given().await;
    for operation in [
        op(Op::Increment, "/max", "1"),
        op(Op::Increment, "/min", "-1"),
        op(Op::Increment, "/z", "1e999"),
        op(Op::Increment, "/s", "1"),
        op(Op::Increment, "/z", "\"1\""),
        op(Op::Increment, "/missing", "1"),
    ] {
        assert_eq!(failure(&mut server, operation.clone()).await, failed(), "{operation:?}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_special_fields_are_out_of_reach() {
    let mut server = given().await;
    for operation in [
        op(Op::Add, "/_id", "\"d\""),
        op(Op::Replace, "/_event_time", "0"),
        op(Op::Test, "/_id", "\"d\""),
        op(Op::Increment, "/_event_time", "1"),
        op_from(Op::Remove, "", "/_id"),
        op_from(Op::Copy, "/s", "/_id"),
        op_from(Op::Move, "/_event_time", "/x"),
        op(Op::Replace, "", r#"{"_id":"d"}"#),
    ] {
        assert_eq!(failure(&mut server, operation.clone()).await, failed(), "{operation:?}");
    }
    assert_eq!(server.write_one(patch("d", vec![op(Op::Add, "/a/_id", "1")])).await.error, None, "deeper it is free");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_operation_that_is_malformed_is_an_invalid_field() {
    let mut server = given().await;
    let unknown = pb::PatchOperation { op: 99, ..op(Op::Add, "/x", "1") };
    let without_path = |op: Op| pb::PatchOperation { path: None, ..op_of(op) };
    let without_source = |op: Op| pb::PatchOperation { source_path: None, ..op_of(op) };
    for (operation, field) in [
        (without_path(Op::Add), "patch.operations[1].path"),
        (without_path(Op::Replace), "patch.operations[1].path"),
        (without_path(Op::Remove), "patch.operations[1].path"),
        (without_path(Op::Copy), "patch.operations[1].path"),
        (without_path(Op::Move), "patch.operations[1].path"),
        (without_path(Op::Test), "patch.operations[1].path"),
        (without_path(Op::Increment), "patch.operations[1].path"),
        (without_source(Op::Copy), "patch.operations[1].source_path"),
        (without_source(Op::Move), "patch.operations[1].source_path"),
        (op(Op::Unspecified, "/x", "1"), "patch.operations[1].op"),
        (unknown, "patch.operations[1].op"),
        (op(Op::Add, "x", "1"), "patch.operations[1].path"),
        (op(Op::Add, "/~2", "1"), "patch.operations[1].path"),
        (op_from(Op::Copy, "x", "/y"), "patch.operations[1].source_path"),
        (op_from(Op::Add, "", "/x"), "patch.operations[1].operand"),
        (op_from(Op::Increment, "", "/z"), "patch.operations[1].operand"),
        (op(Op::Add, "/x", ""), "patch.operations[1].json"),
        (op(Op::Add, "/x", "1 2"), "patch.operations[1].json"),
        (op(Op::Add, "/x", r#"{"k":1,"k":2}"#), "patch.operations[1].json"),
        (op(Op::Add, "/x", &"[".repeat(MIB)), "patch.operations[1].json"),
    ] {
        assert_eq!(failure(&mut server, operation).await, invalid(&[field]));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_pointer_has_at_most_100_steps_and_4_kib() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("d", &format!(r#"{{"a":{}{}}}"#, "[".repeat(99), "]".repeat(99)))).await;
    let (deepest, longest) = (format!("/a{}", "/0".repeat(98)), format!("/{}", "x".repeat(4095)));
    for path in [&format!("{deepest}/-"), &longest] {
        let result = server.write_one(patch("d", vec![op(Op::Add, path, "1")])).await;
        assert_eq!(result.error, None, "{path}");
    }
    for path in [format!("{deepest}/0/0"), format!("{longest}x"), "/".repeat(10_000)] {
        for (operation, field) in [
            (op(Op::Test, &path, "1"), "patch.operations[1].path"),
            (op_from(Op::Copy, &path, "/y"), "patch.operations[1].source_path"),
        ] {
            assert_eq!(failure(&mut server, operation).await, invalid(&[field]));
        }
    }
    let error = error_of(&server.write_one(patch("d", vec![op_from(Op::Remove, "", &"/".repeat(101))])).await);
    assert_eq!(error.message(), "patch.operations[0].path: has 101 steps, more than 100");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_patch_has_1_to_1000_operations() {
    let mut server = given().await;
    let many = |count| patch("d", vec![op(Op::Test, "/z", "1"); count]);
    for count in [0, 1001] {
        let error = error_of(&server.write_one(many(count)).await);
        assert_eq!(refusal(&error), invalid(&["patch.operations"]));
    }
    assert_eq!(server.write_one(many(1000)).await.error, None);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_patch_cannot_make_the_document_too_large_or_too_deep() {
    let mut server = TestServer::with_collection().await;
    server.write_one(upsert("d", &body_of(2 * MIB - 20))).await;
    assert_eq!(failure(&mut server, op(Op::Add, "/b", "\"0123456789012\"")).await, failed());
    assert_eq!(failure(&mut server, op_from(Op::Copy, "/a", "/b")).await, failed());
    server.write_one(upsert("d", &format!(r#"{{"a":{}{}}}"#, "[".repeat(99), "]".repeat(99)))).await;
    assert_eq!(failure(&mut server, op(Op::Add, &format!("/a{}", "/0".repeat(99)), "[]")).await, failed());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_error_says_which_operation_failed_and_why() {
    let mut server = given().await;
    let operations = vec![op(Op::Add, "/x", "1"), op(Op::Test, "/a/b/0", "7")];
    let error = error_of(&server.write_one(patch("d", operations)).await);
    assert_eq!(error.message(), "patch operation 1: the value at /a/b/0 differs");
    assert_eq!(json(&server.read("d").await.unwrap()), BODY);
    server.stop().await;
}
