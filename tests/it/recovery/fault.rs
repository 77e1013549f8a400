//! Storage that fails for a while: nothing acknowledged is lost, nobody is told
//! that a lost write happened, and the server recovers by itself.

use std::path::{Path, PathBuf};

use stillframe::pb;
use tonic::Status;

use super::{
    super::support::{TestServer, collection_name, eventually, reason, upsert},
    invariants::{check, contents},
};

/// A directory that cannot be written to: a file is in its place. Permissions
/// would not stop a server that runs as root.
struct Broken {
    directory: PathBuf,
    aside: PathBuf,
}

impl Broken {
    fn new(directory: &Path) -> Self {
        let aside = directory.with_extension("aside");
        std::fs::rename(directory, &aside).unwrap();
        std::fs::write(directory, b"in the way").unwrap();
        Self { directory: directory.to_owned(), aside }
    }

    fn mend(self) {
        std::fs::remove_file(&self.directory).unwrap();
        std::fs::rename(self.aside, self.directory).unwrap();
    }
}

async fn try_write(server: &mut TestServer, id: &str) -> Result<(), Status> {
    let request = pb::WriteDocumentsRequest {
        collection: collection_name("books"),
        writes: vec![upsert(id, "{}")],
        ..Default::default()
    };
    server.documents.write_documents(request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_written_fails_writes_until_it_can() {
    let mut server = TestServer::start().await;
    let books = server.given_collection("books").await;
    server.given_collection("other").await;
    server.given_documents("books", 100, 1).await;
    let before = contents(&mut server, "books").await;

    let broken = Broken::new(&server.files(&books.uid).join("wal"));
    let begun = std::time::Instant::now();
    let failed = try_write(&mut server, "lost").await.unwrap_err();
    eprintln!("failed after {:?}: {failed:?}", begun.elapsed());
    let failed = try_write(&mut server, "lost").await.unwrap_err();
    eprintln!("again after {:?}: {failed:?}", begun.elapsed());
    let reasons = ["WRITE_OUTCOME_UNKNOWN", "STORAGE_UNAVAILABLE"];
    assert!(reasons.contains(&reason(&failed).as_str()), "{failed:?}");
    server.write("other", vec![upsert("a", "{}")]).await;

    broken.mend();
    eventually("writes work again", async || try_write(&mut server, "after").await.is_ok()).await;
    eprintln!("back after {:?}", begun.elapsed());
    let mut after = contents(&mut server, "books").await;
    after.remove("lost");
    assert_eq!(after.remove("after").as_deref(), Some("{}"));
    assert_eq!(after, before, "D1");
    check(&mut server).await;
    check(&mut TestServer::reopen(server.stop().await).await).await;
}
