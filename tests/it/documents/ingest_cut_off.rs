//! An ingest that is cut off leaves whole messages, and totals that are true.

use stillframe::digest::{Digest, of_document};
use stillframe::pb::{self, document::Body};
use tonic::Code;

use super::{
    ingest::{Ingest, first, next},
    refusal,
    stream::from,
};
use crate::support::{TestServer, eventually, upsert};

/// Message `n` writes its number to ten documents.
fn message(n: usize) -> Vec<pb::Write> {
    (0..10).map(|k| upsert(&format!("{n:04}-{k}"), &format!(r#"{{"n":{n}}}"#))).collect()
}

#[apply(on_each_storage!)]
async fn a_client_that_goes_away_leaves_a_consistent_collection() {
    let mut server = TestServer::with_collection().await;
    for acknowledged in [0, 1, 30] {
        let mut ingest = Ingest::open(&server).await;
        ingest.send(first(message(0))).await;
        for n in 1..60 {
            ingest.send(next(message(n))).await;
        }
        for _ in 0..acknowledged {
            ingest.answer().await.unwrap().unwrap();
        }
        drop(ingest);
        let (stats, documents) = settled(&mut server).await;
        assert!(documents.len() >= acknowledged * 10, "what was acknowledged is there");
        assert_eq!(documents.len() % 10, 0, "messages are applied whole");
        let expected = (0..documents.len() / 10).flat_map(|n| (0..10).map(move |k| format!("{n:04}-{k}")));
        assert!(documents.iter().map(|document| document.id.clone()).eq(expected), "without a gap");
        assert_totals(&stats, &documents);
    }
    server.stop().await;
}

/// Statistics and content at one offset.
async fn settled(server: &mut TestServer) -> (pb::collection::Stats, Vec<pb::Document>) {
    let mut found = None;
    eventually("the collection comes to rest", async || {
        let before = server.stats("c").await;
        let (offset, messages) = server.stream(from("")).await.unwrap();
        let documents: Vec<_> = messages.into_iter().flat_map(|message| message.documents).collect();
        let rests = before.offset == offset && server.stats("c").await.offset == offset;
        found = Some((before, documents));
        rests
    })
    .await;
    found.unwrap()
}

/// D2: the totals equal a scan.
pub fn assert_totals(stats: &pb::collection::Stats, documents: &[pb::Document]) {
    let (mut digest, mut size) = (Digest::default(), 0);
    for document in documents {
        let Some(Body::Json(body)) = &document.body else { panic!("{document:?} is not JSON") };
        let time = document.event_time.unwrap();
        digest.add(of_document(&document.id, time.seconds * 1_000_000 + i64::from(time.nanos) / 1000, body));
        size += document.id.len() + 8 + body.len();
    }
    assert_eq!(stats.digest, digest.to_string());
    let as_i64 = |number: usize| i64::try_from(number).unwrap();
    assert_eq!((stats.document_count, stats.size_bytes), (as_i64(documents.len()), as_i64(size)));
}

#[apply(on_each_storage!)]
async fn deleting_the_collection_ends_it() {
    let mut server = TestServer::with_collection().await;
    let mut ingest = Ingest::open(&server).await;
    ingest.send(first(message(0))).await;
    ingest.answer().await.unwrap().unwrap();
    server.remove_collection("c").await;
    let error = ingest.answer().await.unwrap_err();
    assert_eq!(refusal(&error), (Code::Aborted, "COLLECTION_DELETED".to_owned(), Vec::new()));
    server.given_collection("c").await;
    assert_eq!(server.stats("c").await.document_count, 0, "the new one has nothing of it");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn stopping_the_server_ends_it_and_keeps_what_was_acknowledged() {
    let server = TestServer::with_collection().await;
    let mut ingest = Ingest::open(&server).await;
    ingest.send(first(message(0))).await;
    ingest.answer().await.unwrap().unwrap();
    let (error, dir) = tokio::join!(ingest.answer(), server.stop());
    let expected = (Code::Unavailable, "SHUTTING_DOWN".to_owned(), Vec::new());
    assert_eq!(refusal(&error.unwrap_err()), expected);
    let mut server = TestServer::reopen(dir).await;
    assert_eq!(server.scan("c").await.len(), 10);
    server.stop().await;
}
