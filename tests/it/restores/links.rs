//! `--restore-copy link`, where the file system has no link left.

use std::path::Path;

use stillframe::{documents::CopyMode, pb::restore::State};
use tonic::Code;

use crate::support::TestServer;

/// More than any file system that counts them in 16 bits has; ext4 has 65,000 to a file.
const LINKS: usize = 66_000;

/// Uses up the links of a file; false if there is no end of them.
fn use_up(file: &Path, aside: &Path) -> bool {
    std::fs::create_dir(aside).unwrap();
    (0..LINKS).any(|n| std::fs::hard_link(file, aside.join(n.to_string())).is_err())
}

#[apply(on_directory!)]
async fn a_refused_link_is_told_and_the_restore_works_when_there_are_some_again() {
    let mut server = TestServer::start_with(|config| config.copy_mode = CopyMode::Link).await;
    let source = server.given_collection("books").await;
    server.given_documents("books", 100, 1).await;
    server.given_snapshot("books", "monday").await;
    let file = server.data_files(&source.uid).pop().unwrap();
    let aside = server.dir.path().join("aside");
    // Elsewhere there is nothing to refuse, and the rest holds all the same.
    let is_refused = use_up(&file, &aside);
    server.request_restore("monday", "again").await.unwrap();
    server.ended_restore("again").await;
    if is_refused {
        let ended = server.get_restore("again").await.unwrap();
        let error = ended.error.unwrap();
        assert_eq!((ended.state, Code::from(error.code)), (State::Failed.into(), Code::FailedPrecondition));
        assert_eq!(
            error.message,
            "the file system refused a hard link (too many links), and the server may not copy bytes instead: start it with --restore-copy auto"
        );
        assert!(!server.has_files(&ended.collection_uid));
    }
    std::fs::remove_dir_all(&aside).unwrap();
    server.given_restore("monday", "later").await;
    server.stop().await;
}
