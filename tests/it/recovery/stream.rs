//! A stream reads its cut to the end, whatever happens to the files meanwhile.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use stillframe::{
    documents::{ObjectPath, object_store::ObjectStore},
    pb,
};

use super::{
    super::support::{TestServer, collect, collection_name, eventually, json, sealed, snapshot_name, upsert},
    space::{expire_compactions, live_files, sst_files},
};

const COUNT: usize = 4000;

fn documents(version: u32) -> Vec<pb::Write> {
    let long = "x".repeat(2000);
    (0..COUNT).map(|n| upsert(&format!("{n:06}"), &format!(r#"{{"version":{version},"long":"{long}"}}"#))).collect()
}

/// Writes everything anew, and flushes it.
async fn overwrite(server: &mut TestServer, version: u32) {
    server.write("books", documents(version)).await;
    server.given_snapshot("books", "flush").await;
    let request = pb::DeleteSnapshotRequest { name: snapshot_name("flush"), ..Default::default() };
    server.snapshots.delete_snapshot(request).await.unwrap();
}

#[apply(on_directory!)]
async fn a_stream_held_still_under_compaction_reads_exactly_its_cut() {
    let mut server = TestServer::start().await;
    let uid = server.given_collection("books").await.uid;
    overwrite(&mut server, 1).await;
    let old = live_files(&server, &uid).await;
    let request = pb::StreamDocumentsRequest { collection: collection_name("books"), ..Default::default() };
    let mut stream = server.documents.stream_documents(request).await.unwrap().into_inner();
    let offset = stream.message().await.unwrap().unwrap().offset;
    assert_eq!(offset, Some(i64::try_from(COUNT).unwrap()));

    for version in 2..8 {
        overwrite(&mut server, version).await;
    }
    eventually("everything is compacted", async || live_files(&server, &uid).await.is_disjoint(&old)).await;
    // What compaction holds for a minute is let go now; collection runs.
    expire_compactions(&server, &uid).await;
    given_collected(&mut server, &uid).await;
    assert!(sst_files(&server, &uid).is_superset(&old), "the stream may still need them");

    let messages: Vec<pb::StreamDocumentsResponse> = collect(stream).await.unwrap();
    let read: Vec<_> = messages.into_iter().flat_map(|message| message.documents).collect();
    assert_eq!(read.len(), COUNT);
    assert!(read.iter().all(|document| json(document).starts_with(r#"{"version":1,"#)));
    eventually("the files are given back", async || sst_files(&server, &uid).is_disjoint(&old)).await;
    server.stop().await;
}

/// Waits until garbage collection has come by: it takes the logs of what has been
/// flushed, but for the last.
async fn given_collected(server: &mut TestServer, uid: &str) {
    let (directory, root) = (ObjectPath::from(format!("collections/{uid}/wal")), sealed(server));
    let logs = async || {
        let listed: Vec<_> = root.list(Some(&directory)).try_collect().await.unwrap();
        // Empty ones stay: they say that a database was opened.
        listed.into_iter().filter(|log| log.size > 0).map(|log| log.location).collect::<BTreeSet<_>>()
    };
    for version in 8..10 {
        let before = logs().await;
        assert!(!before.is_empty());
        overwrite(server, version).await;
        eventually("old logs are collected", async || logs().await.is_disjoint(&before)).await;
    }
}
