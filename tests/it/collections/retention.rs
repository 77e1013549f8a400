//! The retention of a collection: from one hour to under ten years, for ever the
//! same.

use std::time::Duration;

use prost_types::Duration as Span;
use stillframe::pb;
use tonic::Code;

use crate::support::{COMMONS, TestServer, refused, refused_fields, span};

const SECONDS_A_DAY: i64 = 24 * 60 * 60;
const TWO_HOURS: Duration = Duration::from_hours(2);

async fn created(server: &mut TestServer, id: &str, retention: Span) -> pb::Collection {
    server.create_retained(id, Some(retention)).await.unwrap()
}

#[apply(on_each_storage!)]
async fn a_retention_may_have_one_hour_and_less_than_3650_days() {
    let mut server = TestServer::start().await;
    let day = SECONDS_A_DAY;
    let outside = [
        Span { seconds: 3599, nanos: 999_999_000 },
        Span { seconds: 3650 * day, nanos: 0 },
        Span { seconds: 3650 * day, nanos: 1 },
        Span { seconds: 0, nanos: 0 },
        Span { seconds: -3600, nanos: 0 },
        Span { seconds: 0, nanos: 999 },
        Span { seconds: i64::MAX, nanos: 0 },
        Span { seconds: i64::MIN, nanos: i32::MIN },
    ];
    for retention in outside {
        refused_fields(server.create_retained("c", Some(retention)).await, &["collection.retention"]);
    }
    refused(server.collection("c").await, Code::NotFound, "NOT_FOUND");
    let accepted = [
        Span { seconds: 3600, nanos: 0 },
        Span { seconds: 3600, nanos: 1_000 },
        Span { seconds: 3650 * day - 1, nanos: 999_999_000 },
    ];
    for (n, retention) in accepted.into_iter().enumerate() {
        assert_eq!(created(&mut server, &n.to_string(), retention).await.retention, Some(retention));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_clustering_interval_is_a_32nd_rounded_up_to_microseconds() {
    let mut server = TestServer::start().await;
    let cases = [
        (Span { seconds: 3600, nanos: 0 }, Span { seconds: 112, nanos: 500_000_000 }),
        (Span { seconds: 3600, nanos: 1_000 }, Span { seconds: 112, nanos: 500_001_000 }),
        (Span { seconds: 3600, nanos: 32_000 }, Span { seconds: 112, nanos: 500_001_000 }),
        (Span { seconds: 3600, nanos: 33_000 }, Span { seconds: 112, nanos: 500_002_000 }),
        (Span { seconds: 32 * SECONDS_A_DAY, nanos: 0 }, Span { seconds: SECONDS_A_DAY, nanos: 0 }),
    ];
    for (n, (retention, interval)) in cases.into_iter().enumerate() {
        assert_eq!(created(&mut server, &n.to_string(), retention).await.clustering_interval, Some(interval));
    }
    let without = server.given_collection("without").await;
    assert_eq!((without.retention, without.clustering_interval), (None, None));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_retention_never_changes() {
    let mut server = TestServer::start().await;
    let with = server.given_retained("with", TWO_HOURS).await;
    let without = server.given_collection("without").await;
    for (collection, retention) in [
        (&with, Some(span(Duration::from_hours(1)))),
        (&with, Some(Span { seconds: 7200, nanos: 1_000 })),
        (&with, None),
        (&without, Some(span(TWO_HOURS))),
    ] {
        let asked = pb::Collection { retention, description: "new".to_owned(), ..collection.clone() };
        for paths in [&["retention"][..], &["description", "retention"]] {
            let answer = server.update_collection(asked.clone(), Some(paths)).await;
            refused(answer, Code::InvalidArgument, "RETENTION_IMMUTABLE");
        }
        if retention.is_some() {
            for paths in [None, Some(&["*"][..])] {
                let answer = server.update_collection(asked.clone(), paths).await;
                refused(answer, Code::InvalidArgument, "RETENTION_IMMUTABLE");
            }
        }
    }
    for (id, before) in [("with", with), ("without", without)] {
        assert_eq!(server.collection(id).await.unwrap(), before, "nothing has changed");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn what_was_read_may_be_sent_back() {
    let mut server = TestServer::start().await;
    server.given_retained("with", TWO_HOURS).await;
    server.given_collection("without").await;
    for id in ["with", "without"] {
        for paths in [None, Some(&["*"][..]), Some(&["description", "retention"]), Some(&["description"])] {
            let read = server.collection(id).await.unwrap();
            let asked = pb::Collection { description: format!("{paths:?}"), ..read.clone() };
            let updated = server.update_collection(asked, paths).await.unwrap();
            assert_eq!((updated.retention, updated.clustering_interval), (read.retention, read.clustering_interval));
            assert_eq!(updated.description, format!("{paths:?}"));
        }
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_retention_shows_wherever_its_collection_does_and_survives_a_restart() {
    let mut server = TestServer::start().await;
    let created = server.given_retained("c", TWO_HOURS).await;
    let shown = (Some(span(TWO_HOURS)), Some(Span { seconds: 225, nanos: 0 }));
    assert_eq!((created.retention, created.clustering_interval), shown);
    assert_eq!(server.given_snapshot("c", "s").await.retention, shown.0);
    assert_eq!(server.given_restore("s", "restored").await.retention, shown.0);
    server.given_collection("without").await;
    assert_eq!(server.given_snapshot("without", "t").await.retention, None);
    assert_eq!(server.given_restore("t", "without-restored").await.retention, None);
    for _ in 0..2 {
        let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
        let listed = server.collections.list_collections(request).await.unwrap().into_inner().collections;
        assert_eq!(listed.len(), 4);
        for found in listed {
            let id = crate::support::id_of(&found.name);
            let expected = if id.contains("without") { (None, None) } else { shown };
            assert_eq!((found.retention, found.clustering_interval), expected, "{id}, listed");
            let read = server.collection(&id).await.unwrap();
            assert_eq!((read.retention, read.clustering_interval), expected, "{id}, read");
        }
        assert_eq!(server.get_snapshot("s").await.unwrap().retention, shown.0);
        assert_eq!(server.get_restore("restored").await.unwrap().retention, shown.0);
        server = TestServer::reopen(server.stop().await).await;
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn the_same_request_with_another_retention_is_another_request() {
    let mut server = TestServer::start().await;
    let request = |hours: u64| pb::CreateCollectionRequest {
        parent: COMMONS.to_owned(),
        collection_id: "c".to_owned(),
        collection: Some(pb::Collection { retention: Some(span(Duration::from_hours(hours))), ..Default::default() }),
        request_id: "once".to_owned(),
    };
    let first = server.collections.create_collection(request(1)).await.unwrap().into_inner();
    let again = server.collections.create_collection(request(1)).await.unwrap().into_inner();
    assert_eq!(again, first);
    let answer = server.collections.create_collection(request(2)).await;
    refused(answer, Code::FailedPrecondition, "REQUEST_ID_REUSED");
    server.stop().await;
}
