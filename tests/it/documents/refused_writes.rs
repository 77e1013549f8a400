//! Writes that are wrong apart from their bodies and ids.

use stillframe::pb::{self, patch_operation::Op, write_result::Status};
use tonic::Code::{Aborted, FailedPrecondition, InvalidArgument};

use super::{if_etag, op, patch, seconds, upsert_of};
use crate::support::{TestServer, delete, upsert};

const INVALID: &str = "INVALID_FIELD";

#[apply(on_each_storage!)]
async fn a_write_needs_an_operation_and_a_body() {
    let mut server = TestServer::with_collection().await;
    let bodiless = pb::Document { id: "a".to_owned(), event_time: Some(seconds(1)), ..Default::default() };
    let cases = vec![
        (pb::Write::default(), InvalidArgument, INVALID, &["operation"][..]),
        (if_etag("", pb::Write::default()), InvalidArgument, INVALID, &["operation"][..]),
        (upsert_of(bodiless), InvalidArgument, INVALID, &["upsert.body"][..]),
        (upsert_of(pb::Document::default()), InvalidArgument, INVALID, &["upsert.body"][..]),
        (
            pb::Write { operation: Some(pb::write::Operation::Patch(pb::Patch::default())), if_etag: None },
            InvalidArgument,
            INVALID,
            &["patch.id"][..],
        ),
    ];
    server.check_refused(cases).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn if_etag_must_be_an_etag() {
    let mut server = TestServer::with_collection().await;
    let texts =
        ["*", "\"etag\"", "0123456789abcdef", "0123456789ABCDEF0123456789ABCDEF", "+123456789abcdef0123456789abcdef"];
    let cases = texts.map(|text| (if_etag(text, upsert("a", "{}")), InvalidArgument, INVALID, &["if_etag"][..]));
    server.check_refused(cases.into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn event_times_beyond_the_range_are_refused() {
    let mut server = TestServer::with_collection().await;
    let times = [(253_402_300_800, 0), (-62_135_596_801, 0), (i64::MAX, 0), (0, -1), (0, 1_000_000_000)];
    let cases = times.map(|(seconds, nanos)| {
        let event_time = Some(prost_types::Timestamp { seconds, nanos });
        let body = Some(pb::document::Body::Json("{}".into()));
        let document = pb::Document { id: "a".to_owned(), event_time, body, ..Default::default() };
        (upsert_of(document), InvalidArgument, INVALID, &["upsert.event_time"][..])
    });
    server.check_refused(cases.into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn all_that_is_wrong_with_the_outer_fields_is_told_at_once() {
    let mut server = TestServer::with_collection().await;
    let document = pb::Document {
        id: "a\n".to_owned(),
        event_time: Some(seconds(i64::MIN)),
        body: Some(pb::document::Body::Json(r#"{"_id":"b"}"#.into())),
        ..Default::default()
    };
    let fields = &["upsert.event_time", "upsert.id", "upsert.id"][..];
    server.check_refused(vec![(upsert_of(document), InvalidArgument, INVALID, fields)]).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn errors_of_every_kind_stand_beside_good_writes() {
    let mut server = TestServer::with_collection().await;
    let failing = || patch("good", vec![op(Op::Test, "/a", "1")]);
    let cases = vec![
        (failing(), FailedPrecondition, "PATCH_FAILED", &[][..]),
        (if_etag("", delete("good")), Aborted, "ETAG_MISMATCH", &[][..]),
        (upsert("x", "[]"), InvalidArgument, INVALID, &["upsert.json"][..]),
    ];
    server.check_refused(cases).await;
    assert_eq!(server.statuses(vec![failing(), delete("good")]).await, [Status::Unspecified, Status::Deleted]);
    server.stop().await;
}
