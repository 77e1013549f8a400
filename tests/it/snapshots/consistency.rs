//! A snapshot is one instant of a collection, whatever is written meanwhile (S1).

use std::collections::BTreeMap;

use crate::support::{TestServer, collection_name, upsert};
use stillframe::pb;

const WRITES: i64 = 300;
const KEYS: i64 = 40;

/// Write number `n` sets or deletes one of a few documents; each moves the
/// offset by one.
fn write(n: i64) -> pb::Write {
    upsert(&format!("{:03}", n * 7 % KEYS), &format!(r#"{{"n":{n}}}"#))
}

/// What the collection holds at an offset.
fn model(offset: i64) -> Vec<(String, String)> {
    let documents: BTreeMap<_, _> =
        (0..offset).map(|n| (format!("{:03}", n * 7 % KEYS), format!(r#"{{"n":{n}}}"#))).collect();
    documents.into_iter().collect()
}

#[apply(on_each_storage!)]
async fn a_snapshot_under_a_writer_is_one_state_of_the_collection() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let mut documents = server.documents.clone();
    let (acknowledged, seen) = tokio::sync::watch::channel(0);
    let writer = async move {
        for n in 0..WRITES {
            let request = pb::WriteDocumentsRequest {
                collection: collection_name("books"),
                writes: vec![write(n)],
                ..Default::default()
            };
            let answer = documents.write_documents(request).await.unwrap().into_inner();
            acknowledged.send_replace(answer.offset);
        }
    };
    let snapshots = async {
        let mut taken = Vec::new();
        for n in 0..3 {
            seen.clone().wait_for(|offset| *offset > n * WRITES / 4).await.unwrap();
            let before = *seen.borrow();
            taken.push((before, server.given_snapshot("books", &format!("s{n}")).await));
        }
        taken
    };
    let ((), taken) = tokio::join!(writer, snapshots);
    for (n, (before, snapshot)) in taken.into_iter().enumerate() {
        assert!(snapshot.offset >= before, "it has every write acknowledged before it");
        server.given_restore(&format!("s{n}"), &format!("r{n}")).await;
        assert_eq!(server.scan(&format!("r{n}")).await, model(snapshot.offset));
        let restored = server.stats(&format!("r{n}")).await;
        assert_eq!((restored.document_count, restored.size_bytes), (snapshot.document_count, snapshot.size_bytes));
        assert_eq!(restored.digest, snapshot.digest);
    }
    assert_eq!(server.scan("books").await, model(WRITES));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn later_writes_never_change_a_snapshot() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    let frozen = server.scan("books").await;
    let snapshot = server.given_snapshot("books", "s").await;
    for version in 2..8 {
        server.given_documents("books", 60, version).await;
        server.given_snapshot("books", &format!("s{version}")).await;
    }
    let now = server.get_snapshot("s").await.unwrap();
    assert_eq!((now.digest, now.offset, now.etag), (snapshot.digest, snapshot.offset, snapshot.etag));
    server.given_restore("s", "again").await;
    assert_eq!(server.scan("again").await, frozen);
    server.stop().await;
}
