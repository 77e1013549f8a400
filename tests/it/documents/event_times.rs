//! When a document happened: the outer field, the body's `_event_time`, or now.

use stillframe::pb;
use tonic::Code::InvalidArgument;

use super::{error_of, invalid, refusal, seconds, upsert_of};
use crate::support::{TestServer, json, upsert};

fn at(time: Option<prost_types::Timestamp>, body: &str) -> pb::Write {
    let body = Some(pb::document::Body::Json(body.to_owned().into()));
    upsert_of(pb::Document { id: "a".to_owned(), event_time: time, body, ..Default::default() })
}

async fn stored(server: &mut TestServer, write: pb::Write) -> (i64, i32) {
    let result = server.write_one(write).await;
    assert_eq!(result.error, None);
    let document = server.read("a").await.unwrap();
    assert_eq!(json(&document), r#"{"n":1}"#, "_event_time is not part of the body");
    let time = document.event_time.unwrap();
    (time.seconds, time.nanos)
}

#[apply(on_each_storage!)]
async fn the_body_may_say_it_as_rfc_3339_or_in_milliseconds() {
    let mut server = TestServer::with_collection().await;
    for (value, time) in [
        (r#""2023-11-14T22:13:20Z""#, (1_700_000_000, 0)),
        (r#""2023-11-15T00:13:20.123456+02:00""#, (1_700_000_000, 123_456_000)),
        (r#""2023-11-14T22:13:20.1234569Z""#, (1_700_000_000, 123_456_000)),
        ("1700000000123", (1_700_000_000, 123_000_000)),
        (r#""1700000000123""#, (1_700_000_000, 123_000_000)),
        ("-1", (-1, 999_000_000)),
    ] {
        let body = format!(r#"{{"_event_time":{value},"n":1}}"#);
        assert_eq!(stored(&mut server, at(None, &body)).await, time, "{value}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn both_may_say_it_if_they_agree_to_the_microsecond() {
    let mut server = TestServer::with_collection().await;
    let body = r#"{"n":1,"_event_time":"2023-11-14T23:13:20.000001+01:00"}"#;
    let same = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 1_999 });
    assert_eq!(stored(&mut server, at(same, body)).await, (1_700_000_000, 1_000));
    let differs = server.write_one(at(Some(seconds(1_700_000_000)), body)).await;
    assert_eq!(refusal(&error_of(&differs)), invalid(&["upsert.event_time"]));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_whole_range_is_kept() {
    let mut server = TestServer::with_collection().await;
    for time in [(-62_135_596_800, 0), (253_402_300_799, 999_999_000), (0, 0), (-1, 999_999_000)] {
        let sent = Some(prost_types::Timestamp { seconds: time.0, nanos: time.1 });
        assert_eq!(stored(&mut server, at(sent, r#"{"n":1}"#)).await, time);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn without_any_it_is_the_servers_time() {
    let mut server = TestServer::with_collection().await;
    let before = server.clock.now();
    let (seconds, nanos) = stored(&mut server, at(None, r#"{"n":1}"#)).await;
    let stored = seconds * 1_000_000 + i64::from(nanos) / 1000;
    assert!((before..=server.clock.now()).contains(&stored), "{stored}");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn bad_times_in_the_body_are_refused() {
    let mut server = TestServer::with_collection().await;
    let values = [
        r#""2023-11-14""#,
        r#""2023-11-14T22:13:20""#,
        r#""yesterday""#,
        "1.5",
        "1e3",
        "true",
        "null",
        "{}",
        "9223372036854775807",
        "99999999999999999999",
    ];
    let cases = values.map(|value| {
        let write = upsert("a", &format!(r#"{{"_event_time":{value}}}"#));
        (write, InvalidArgument, "INVALID_FIELD", &["upsert.json"][..])
    });
    server.check_refused(cases.into()).await;
    server.stop().await;
}
