//! Which event times may be written.

use chrono::DateTime;
use stillframe::pb::{self, write_result::Status as Became};
use tonic::Code;
use tonic_types::StatusExt;

use super::{HOUR, MINUTE, RETENTION, Retained};
use crate::{
    documents::{
        error_of,
        ingest::{Ingest, first, next},
        refusal,
    },
    support::{TestServer, upsert, upsert_at},
};

const OUT_OF_RANGE: (Code, &str, &[&str]) = (Code::OutOfRange, "EVENT_TIME_OUT_OF_RANGE", &["upsert.event_time"]);
const SECOND: i64 = 1_000_000;

fn keep() -> i64 {
    i64::try_from(RETENTION.as_micros()).unwrap()
}

/// The bounds that a refusal names, and the time that it is about.
fn bounds(result: &pb::WriteResult) -> [i64; 3] {
    let details = error_of(result).get_error_details();
    let metadata = details.error_info().unwrap().metadata.clone();
    ["earliest", "event_time", "latest"]
        .map(|key| DateTime::parse_from_rfc3339(&metadata[key]).unwrap().timestamp_micros())
}

#[apply(on_each_storage!)]
async fn what_is_too_old_or_too_far_ahead_is_refused_alone() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now();
    let refused = [now - keep() - SECOND, now - keep() - HOUR, 0, -1, now + HOUR + 10 * MINUTE, now + 365 * 24 * HOUR];
    let case = |time| (upsert_at("good", time, "{}"), OUT_OF_RANGE.0, OUT_OF_RANGE.1, OUT_OF_RANGE.2);
    server.check_refused(refused.map(case).into()).await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_whole_retention_and_one_interval_ahead_are_accepted() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now();
    let times = [now - keep() + 10 * MINUTE, now - 16 * HOUR, now, now + HOUR - SECOND, now + HOUR];
    let writes = times.iter().enumerate().map(|(n, time)| upsert_at(&n.to_string(), *time, "{}"));
    assert_eq!(server.statuses(writes.collect()).await, [Became::Added; 5]);
    assert_eq!(server.read_all("c").await.iter().map(|doc| doc.time).collect::<Vec<_>>(), times);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_wrong_unit_of_time_is_refused() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now();
    // Seconds and microseconds, where milliseconds are meant.
    let in_body = |n: i64| upsert("a", &format!(r#"{{"_event_time":{n}}}"#));
    let cases = [
        (in_body(now / 1_000_000), OUT_OF_RANGE.0, OUT_OF_RANGE.1, OUT_OF_RANGE.2),
        (in_body(now), Code::InvalidArgument, "INVALID_FIELD", &["upsert.json"][..]),
        (upsert_at("a", now / 1_000, "{}"), OUT_OF_RANGE.0, OUT_OF_RANGE.1, OUT_OF_RANGE.2),
        (upsert_at("a", now * 100, "{}"), OUT_OF_RANGE.0, OUT_OF_RANGE.1, OUT_OF_RANGE.2),
        (upsert_at("a", now * 1_000, "{}"), Code::InvalidArgument, "INVALID_FIELD", &["upsert.event_time"]),
    ];
    server.check_refused(cases.into()).await;
    assert_eq!(server.write_one(in_body(now / 1_000)).await.status(), Became::Added);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_refusal_names_the_bounds_that_it_went_by() {
    let Retained { mut server, .. } = Retained::start().await;
    let before = server.clock.now();
    let old = before - keep() - HOUR;
    let result = server.write_one(upsert_at("a", old, "{}")).await;
    let [earliest, time, latest] = bounds(&result);
    assert_eq!((time, latest - earliest), (old, keep() + HOUR));
    assert!((before..=server.clock.now()).contains(&(earliest + keep())), "{earliest}");
    let inside = [earliest + 10 * MINUTE, latest].map(|time| upsert_at("a", time, "{}"));
    assert_eq!(server.statuses(inside.into()).await, [Became::Added, Became::Replaced]);
    server.stop().await;
}

/// A batch has one time, so its times around an edge show where the edge is. They
/// are close to each other at first, then wider apart for ten minutes: a slow
/// machine reaches the edge later.
async fn edge(server: &mut TestServer, from: i64) -> Vec<(i64, pb::WriteResult)> {
    let times: Vec<i64> = (0..2000).map(|n: i64| from + n * 500 + (n - 1000).max(0) * 600_000).collect();
    let writes = times.iter().map(|time| upsert_at(&time.to_string(), *time, "{}"));
    let results = server.write("c", writes.collect()).await.results;
    times.into_iter().zip(results).collect()
}

#[apply(on_each_storage!)]
async fn the_window_is_exact_at_both_edges() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now();
    let cases = [(now - keep(), Became::Unspecified), (now + HOUR, Became::Added)];
    for (from, before) in cases {
        let tried = edge(&mut server, from).await;
        let (refused, accepted): (Vec<_>, Vec<_>) =
            tried.iter().partition(|(_, result)| result.status() == Became::Unspecified);
        assert_eq!(tried[0].1.status(), before, "the edge was in reach");
        let [earliest, _, latest] = bounds(&refused[0].1);
        assert!(accepted.iter().all(|(time, _)| (earliest..=latest).contains(time)), "{earliest} {latest}");
        assert!(refused.iter().all(|(time, _)| !(earliest..=latest).contains(time)), "{earliest} {latest}");
        assert!(!accepted.is_empty() && accepted.len() < tried.len());
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_document_without_a_time_happens_now() {
    let Retained { mut server, .. } = Retained::start().await;
    for _ in 0..3 {
        let before = server.clock.now();
        server.write_one(upsert("a", "{}")).await;
        let [doc] = &server.read_all("c").await[..] else { panic!("it is there once") };
        assert!((before..=server.clock.now()).contains(&doc.time), "{doc:?}");
        super::advance(&server, 40 * HOUR);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_refused_time_leaves_the_document_as_it_is() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now();
    server.write_one(upsert_at("a", now, r#"{"n":1}"#)).await;
    let before = (server.read_all("c").await, server.stats("c").await);
    let result = server.write_one(upsert_at("a", now - 33 * HOUR, r#"{"n":2}"#)).await;
    assert_eq!(result.status(), Became::Unspecified);
    assert_eq!((server.read_all("c").await, server.stats("c").await), before);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn ingest_refuses_the_same_and_goes_on() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now();
    let good = || upsert_at("good", now, "{}");
    let bad = || [upsert_at("old", now - 33 * HOUR, "{}"), upsert_at("new", now + 2 * HOUR, "{}")];
    let ingest = Ingest::open(&server).await;
    for message in [first, next] {
        ingest.send(message([&[good()][..], &bad(), &[good()]].concat())).await;
    }
    for answer in ingest.finish().await.unwrap() {
        let refused = |n: usize| refusal(&error_of(&answer.results[n]));
        let expected = (OUT_OF_RANGE.0, OUT_OF_RANGE.1.to_owned(), vec![OUT_OF_RANGE.2[0].to_owned()]);
        assert_eq!([refused(1), refused(2)], [expected.clone(), expected]);
        assert_eq!(answer.results[3].status(), Became::Replaced);
    }
    assert_eq!(server.stats("c").await.document_count, 1);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_time_in_both_places_must_agree_and_lie_in_the_window() {
    let Retained { mut server, .. } = Retained::start().await;
    let now = server.clock.now() / SECOND * SECOND;
    let both = |inner: i64, outer: i64| upsert_at("a", outer, &format!(r#"{{"_event_time":{}}}"#, inner / 1_000));
    let old = now - 33 * HOUR;
    let cases = [
        (both(now, now - SECOND), Code::InvalidArgument, "INVALID_FIELD", &["upsert.event_time"][..]),
        (both(old, old), OUT_OF_RANGE.0, OUT_OF_RANGE.1, OUT_OF_RANGE.2),
    ];
    server.check_refused(cases.into()).await;
    assert_eq!(server.write_one(both(now, now)).await.status(), Became::Added);
    server.stop().await;
}
