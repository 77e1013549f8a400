//! What a deleted collection gives back goes by the file lists of its snapshots, whose
//! hashes are in their records: damage of their manifests costs no file.

use stillframe::pb::{self, restore::State};
use tonic::Code;

use super::given::listing;
use crate::support::{TestServer, collection_name, eventually};

#[apply(on_directory!)]
async fn manifests_of_two_snapshots_are_swapped() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    let films = server.given_collection("films").await;
    server.given_documents("films", 10, 1).await;
    let mut uids = [const { String::new() }; 2];
    for (n, snapshot) in ["monday", "tuesday"].into_iter().enumerate() {
        server.given_documents("books", 100, u32::try_from(n).unwrap() + 1).await;
        uids[n] = server.given_snapshot("books", snapshot).await.uid;
    }
    let tuesday = server.scan("books").await;
    let files = server.files(&books.uid);
    let dir = server.stop().await;
    let manifests = uids.map(|uid| dir.path().join("storage/manifests").join(uid));
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
    assert!(error.message.contains(&format!("manifests/{name}")), "{error:?}");
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
