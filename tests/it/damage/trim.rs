//! What a deleted collection gives back goes by the manifests of its snapshots: with a
//! damaged one, nothing goes.

use std::path::PathBuf;

use stillframe::{
    pb::{self, restore::State},
    records::Snapshot,
};
use tonic::Code;

use super::given::listing;
use crate::support::{TestServer, collection_name, eventually, records_of};

#[apply(on_directory!)]
async fn manifests_of_two_snapshots_are_swapped() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    let films = server.given_collection("films").await;
    server.given_documents("films", 10, 1).await;
    for (version, snapshot) in [(1, "monday"), (2, "tuesday")] {
        server.given_documents("books", 100, version).await;
        server.given_snapshot("books", snapshot).await;
    }
    let tuesday = server.scan("books").await;
    let files = server.files(&books.uid);
    let dir = server.stop().await;
    let manifests = manifests_of(&records_of(&dir).await, &files);
    let swap = || {
        let [first, second] = [0, 1].map(|n| std::fs::read(&manifests[n]).unwrap());
        std::fs::write(&manifests[0], second).unwrap();
        std::fs::write(&manifests[1], first).unwrap();
    };
    swap();

    let mut server = TestServer::reopen(dir).await;
    let before = listing(&files.join("compacted"));
    for collection in ["books", "films"] {
        let request = pb::DeleteCollectionRequest { name: collection_name(collection), ..Default::default() };
        server.collections.delete_collection(request).await.unwrap();
    }
    // Looked at behind it, as it was made later.
    eventually("the other one is gone", async || !server.has_files(&films.uid)).await;
    server.request_restore("monday", "again").await.unwrap();
    assert_eq!(server.ended_restore("again").await.state(), State::Failed);
    let error = server.get_restore("again").await.unwrap().error.unwrap();
    assert_eq!(Code::from(error.code), Code::DataLoss);
    let name = manifests[0].file_name().unwrap().to_str().unwrap();
    assert!(error.message.contains(name), "{error:?}");
    let dir = server.stop().await;
    assert_eq!(listing(&files.join("compacted")), before, "all files are there");

    swap();
    let mut server = TestServer::reopen(dir).await;
    server.given_restore("monday", "monday-again").await;
    server.given_restore("tuesday", "tuesday-again").await;
    assert_eq!(server.scan("tuesday-again").await, tuesday);
    assert_eq!(server.scan("monday-again").await.len(), 100);
    server.stop().await;
}

/// The manifests that the snapshots stand on, in the order of their names.
fn manifests_of(records: &stillframe::records::Records, files: &std::path::Path) -> Vec<PathBuf> {
    let snapshots = records.scan(&Snapshot::all()).map(|found| found.unwrap().record);
    let name = |snapshot: Snapshot| format!("manifest/{:020}.manifest", snapshot.manifest_id);
    snapshots.map(|snapshot| files.join(name(snapshot))).collect()
}
