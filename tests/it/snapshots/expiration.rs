//! How long a snapshot may live: at most 7 days and 5 minutes of skew.

use std::time::Duration;

use stillframe::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{DAY, MINUTE, TestServer, expire_time, micros, refused, refused_fields, until, with_ttl};

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600 + 5 * 60);
const MICROSECOND: Duration = Duration::from_micros(1);

fn life(snapshot: &pb::Snapshot) -> Duration {
    let micros = expire_time(snapshot) - micros(snapshot.create_time.as_ref());
    Duration::from_micros(micros.try_into().unwrap())
}

#[apply(on_each_storage!)]
async fn the_default_is_seven_days() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    assert_eq!(life(&server.given_snapshot("books", "s").await), 7 * DAY);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_time_to_live_counts_from_the_request_and_is_answered_as_a_time() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for (id, ttl) in [("s1", MINUTE), ("s2", MICROSECOND), ("s3", 7 * DAY), ("s4", LONGEST)] {
        let created = server.create_snapshot("books", id, with_ttl(ttl)).await.unwrap();
        assert_eq!(life(&created), ttl);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_expire_time_is_kept_to_the_microsecond() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let asked = server.clock.now() + 3_600_000_001;
    let created = server.create_snapshot("books", "s", until(asked)).await.unwrap();
    assert_eq!(expire_time(&created), asked);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn more_than_seven_days_and_the_skew_is_refused_not_clamped() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let too_long = [with_ttl(LONGEST + MICROSECOND), with_ttl(3650 * DAY), until(253_402_300_799_999_999)];
    for snapshot in too_long {
        let answer = server.create_snapshot("books", "s", snapshot).await;
        refused(answer, Code::InvalidArgument, "EXPIRATION_TOO_LONG");
    }
    for (snapshot, asked) in
        [(with_ttl(90 * DAY), "90 days from now"), (until(253_402_300_799_000_000), "9999-12-31T23:59:59Z")]
    {
        let answer = server.create_snapshot("books", "s", snapshot).await;
        let status = refused(answer, Code::InvalidArgument, "EXPIRATION_TOO_LONG");
        let latest = status.get_error_details().error_info().unwrap().metadata["latest"].clone();
        let said =
            format!("a snapshot lives at most 7 days after its create_time, until {latest}; {asked} was asked for");
        assert_eq!(status.message(), said);
    }
    assert!(server.snapshot_ids(true).await.is_empty());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_expiry_that_is_not_in_the_future_is_refused() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for past in [server.clock.now(), 0, -1_000_000] {
        refused_fields(server.create_snapshot("books", "s", until(past)).await, &["snapshot.expire_time"]);
    }
    refused_fields(server.create_snapshot("books", "s", with_ttl(Duration::ZERO)).await, &["snapshot.ttl"]);
    for ttl in [(-1, 0), (0, -1), (i64::MAX, 0), (i64::MIN, 0)] {
        let ttl = prost_types::Duration { seconds: ttl.0, nanos: ttl.1 };
        let snapshot = pb::Snapshot { expiration: Some(pb::snapshot::Expiration::Ttl(ttl)), ..Default::default() };
        refused_fields(server.create_snapshot("books", "s", snapshot).await, &["snapshot.ttl"]);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_update_counts_from_now_but_ends_seven_days_after_the_creation() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let created = server.given_snapshot("books", "s").await;
    server.clock.advance(2 * DAY);
    let named = |snapshot: pb::Snapshot| pb::Snapshot { name: created.name.clone(), ..snapshot };
    let updated = server.update_snapshot(named(with_ttl(DAY)), None).await.unwrap();
    assert_eq!(expire_time(&updated) - micros(updated.update_time.as_ref()), 24 * 60 * 60 * 1_000_000);

    let last = micros(created.create_time.as_ref()) + i64::try_from(LONGEST.as_micros()).unwrap();
    let updated = server.update_snapshot(named(until(last)), Some(&["expire_time"])).await.unwrap();
    assert_eq!(expire_time(&updated), last);
    for too_long in [until(last + 1), with_ttl(6 * DAY)] {
        let answer = server.update_snapshot(named(too_long), None).await;
        refused(answer, Code::InvalidArgument, "EXPIRATION_TOO_LONG");
    }
    refused_fields(server.update_snapshot(named(until(1)), None).await, &["snapshot.expire_time"]);
    assert_eq!(expire_time(&server.get_snapshot("s").await.unwrap()), last);
    server.stop().await;
}
