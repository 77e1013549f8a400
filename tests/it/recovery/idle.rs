//! Collections that nobody uses are closed, and nobody notices.

use std::{path::PathBuf, time::Duration};

use stillframe::{app::Config, pb};

use super::{
    super::support::{TestServer, eventually, upsert},
    child::Child,
    invariants::{Totals, check, collections, contents},
};

use pb::write_result::Status;

fn closing_soon(config: &mut Config) {
    config.tuning.idle_close = Duration::from_millis(100);
}

/// Saved when the collection is closed.
fn ids(server: &TestServer, uid: &str) -> PathBuf {
    server.files(uid).join("ids.filter")
}

/// Waits until a collection that has been used is closed. Opening it took its ids
/// away, so that they are there means that it is closed since; it may have been
/// before we look.
async fn given_closed(server: &TestServer, uid: &str) {
    let filter = ids(server, uid);
    eventually("the collection is closed", async || filter.exists()).await;
}

/// No collection is closed but by a stop, however long a test takes.
fn never_closing(config: &mut Config) {
    config.tuning.idle_close = Duration::from_hours(1);
}

async fn statuses(server: &mut TestServer, ids: &[&str]) -> Vec<Status> {
    let writes = ids.iter().map(|id| upsert(id, r#"{"over":true}"#)).collect();
    let results = server.write("books", writes).await.results;
    results.iter().map(pb::WriteResult::status).collect()
}

#[apply(on_directory!)]
async fn an_idle_collection_is_closed_and_used_again() {
    let mut server = TestServer::start_with(closing_soon).await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 200, 1).await;
    given_closed(&server, &books.uid).await;
    let closed = collections(&mut server).await.remove(0).stats.unwrap();
    assert_eq!(closed.document_count, 200);

    assert_eq!(statuses(&mut server, &["000007", "new"]).await, [Status::Replaced, Status::Added]);
    given_closed(&server, &books.uid).await;
    assert_eq!(contents(&mut server, "books").await.len(), 201);
    given_closed(&server, &books.uid).await;
    let monday = server.given_snapshot("books", "monday").await;
    given_closed(&server, &books.uid).await;
    server.given_restore("monday", "again").await;
    assert_eq!(Totals::kept(&server.stats("again").await), Totals::frozen(&monday));
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_long_read_keeps_its_collection_open() {
    let mut server = TestServer::start_with(closing_soon).await;
    let books = server.given_collection("books").await;
    let long = "x".repeat(2000);
    let writes = (0..3000).map(|n| upsert(&format!("{n:06}"), &format!(r#"{{"long":"{long}"}}"#)));
    server.write("books", writes.collect()).await;
    let request = pb::StreamDocumentsRequest { collection: books.name.clone(), ..Default::default() };
    let mut stream = server.documents.stream_documents(request).await.unwrap().into_inner();
    stream.message().await.unwrap();
    // Another is closed meanwhile, so this one would have been.
    let other = server.given_collection("other").await;
    server.write("other", vec![upsert("a", "{}")]).await;
    given_closed(&server, &other.uid).await;
    let rest: Vec<pb::StreamDocumentsResponse> = super::super::support::collect(stream).await.unwrap();
    assert_eq!(rest.iter().map(|message| message.documents.len()).sum::<usize>(), 3000);
    server.stop().await;
}

#[apply(on_directory!)]
async fn saved_ids_that_are_damaged_or_stale_do_no_harm() {
    let mut server = TestServer::start_with(closing_soon).await;
    let books = server.given_collection("books").await;
    server.given_documents("books", 200, 1).await;
    given_closed(&server, &books.uid).await;
    let stale = std::fs::read(ids(&server, &books.uid)).unwrap();
    server.write("books", vec![upsert("later", "{}")]).await;
    given_closed(&server, &books.uid).await;
    let current = std::fs::read(ids(&server, &books.uid)).unwrap();
    let mut damaged = current.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;

    for saved in [Some(stale), Some(damaged), Some(current[..current.len() / 2].to_vec()), Some(Vec::new()), None] {
        let path = ids(&server, &books.uid);
        let dir = server.stop().await;
        match &saved {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            // The last open took it already.
            None => assert!(!path.exists()),
        }
        server = TestServer::reopen_with(dir, never_closing).await.unwrap();
        let statuses = statuses(&mut server, &["000007", "later", "000199"]).await;
        assert_eq!(statuses, [Status::Replaced; 3], "{:?} bytes", saved.map(|bytes| bytes.len()));
        check(&mut server).await;
    }
    server.stop().await;
}

#[apply(on_directory!)]
async fn closed_collections_have_exact_statistics_behind_a_crash() {
    let mut child = Child::start(tempfile::tempdir().unwrap()).await;
    let mut expected = Vec::new();
    for n in 0..5 {
        let id = format!("c{n}");
        child.client.given_collection(&id).await;
        child.client.given_documents(&id, 10 * (n + 1), 1).await;
        expected.push(child.client.stats(&id).await);
    }
    let mut server = TestServer::reopen(child.kill().await).await;
    let listed: Vec<_> = collections(&mut server).await.into_iter().map(|found| found.stats.unwrap()).collect();
    assert_eq!(
        listed.iter().map(Totals::kept).collect::<Vec<_>>(),
        expected.iter().map(Totals::kept).collect::<Vec<_>>()
    );
    check(&mut server).await;
    server.stop().await;
}
