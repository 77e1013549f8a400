//! What a snapshot bills is exact, also when a crash comes between the cut, the
//! record and the next write: each change is billed once.

use stillframe::pb;
use tonic::transport::Channel;

use super::{
    super::support::{TestServer, collection_name, eventually, upsert},
    child::Child,
    invariants::{check, contents, size_of},
};

const COUNT: usize = 200;

#[apply(on_directory!)]
async fn a_cut_that_no_write_followed_still_counts_behind_a_crash() {
    let mut child = Child::start(tempfile::tempdir().unwrap()).await;
    child.client.given_collection("books").await;
    child.client.given_documents("books", COUNT, 1).await;
    child.client.given_snapshot("books", "first").await;

    let mut server = TestServer::reopen(child.kill().await).await;
    server.given_documents("books", 10, 2).await;
    let second = server.given_snapshot("books", "second").await;
    let changed: i64 = contents(&mut server, "books").await.iter().take(10).map(|(id, json)| size_of(id, json)).sum();
    assert_eq!(second.incremental_bytes, changed);
    check(&mut server).await;
    server.stop().await;
}

/// Writes go on between the cut and the crash: what they changed belongs to
/// whichever snapshot holds it.
#[apply(on_directory!)]
async fn writes_around_a_crashed_cut_are_billed_once() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", COUNT, 1).await;
    server.given_snapshot("books", "first").await;
    let before = contents(&mut server, "books").await;
    let mut child = Child::start_at(server.stop().await, "snapshot.before_record").await;
    let writers: Vec<_> = (0..4).map(|n| tokio::spawn(add(child.client.documents.clone(), n))).collect();
    let some = i64::try_from(COUNT + 20).unwrap();
    eventually("writers are under way", async || child.client.stats("books").await.document_count > some).await;
    let _ = child.client.request_snapshot("books", "second").await;
    let dir = child.aborted("snapshot.before_record").await;
    let mut acknowledged = 0;
    for writer in writers {
        acknowledged += writer.await.unwrap();
    }

    let mut server = TestServer::reopen(dir).await;
    check(&mut server).await;
    server.write("books", vec![upsert("last", "{}")]).await;
    let third = server.given_snapshot("books", "third").await;
    let second = server.get_snapshot("second").await.unwrap();
    let after = contents(&mut server, "books").await;
    let added = after.iter().filter(|(id, _)| !before.contains_key(*id));
    let added: i64 = added.map(|(id, json)| size_of(id, json)).sum();
    assert_eq!(second.incremental_bytes + third.incremental_bytes, added);
    assert!(after.len() > before.len() + acknowledged, "D1");
    server.stop().await;
}

/// Adds documents, one at a time, until the server is gone.
async fn add(mut documents: pb::document_service_client::DocumentServiceClient<Channel>, writer: usize) -> usize {
    for n in 0.. {
        let request = pb::WriteDocumentsRequest {
            collection: collection_name("books"),
            writes: vec![upsert(&format!("{writer}-{n}"), &format!(r#"{{"n":{n}}}"#))],
            ..Default::default()
        };
        if documents.write_documents(request).await.is_err() {
            return n;
        }
    }
    unreachable!("the server is killed")
}
