//! `WatchSource`.

use stillframe::pb::{self, source::State};
use tonic::Code;

use super::{ndjson, source_name};
use crate::support::{DEADLINE, TestServer, reason};

#[apply(on_each_storage!)]
async fn a_watch_sees_counters_grow_and_ends_with_the_source() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    for part in 0..4 {
        server.import(&format!("{part}.ndjson"), ndjson(part * 10_000, (part + 1) * 10_000, 1));
    }
    server.given_source("books", pb::Source::default()).await;
    let request = pb::WatchSourceRequest { name: source_name("books", "in") };
    let mut watch = server.sources.watch_source(request).await.unwrap().into_inner();
    let mut last = watch.message().await.unwrap().unwrap();
    while (last.objects_done, last.state()) != (4, State::Watching) {
        let next = tokio::time::timeout(DEADLINE, watch.message()).await.unwrap().unwrap().unwrap();
        assert!(next.documents_ingested >= last.documents_ingested, "it never goes back");
        last = next;
    }
    assert_eq!(last.documents_ingested, 40_000);
    server.delete_source("books").await.unwrap();
    let ended = loop {
        match tokio::time::timeout(DEADLINE, watch.message()).await.unwrap() {
            Ok(Some(_)) => {}
            ended => break ended.unwrap_err(),
        }
    };
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::NotFound, "NOT_FOUND"));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_watch_ends_when_the_server_stops() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_source("books", pb::Source::default()).await;
    let request = pb::WatchSourceRequest { name: source_name("books", "in") };
    let watch = server.sources.watch_source(request).await.unwrap().into_inner();
    server.stop().await;
    let ended = crate::support::collect(watch).await.unwrap_err();
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
}
