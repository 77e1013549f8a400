//! Bases: the log does not grow without bound, and a start from one is a start.

use std::path::Path;

use stillframe::records::Policy;

use super::{given::everything, index::files};
use crate::support::{TestServer, eventually, records_of};

/// After every few entries.
const OFTEN: Policy = Policy { entries: 8, bytes: 1 << 20 };

fn names(data: &Path) -> Vec<String> {
    let objects = files(&data.join("storage/records")).into_iter();
    objects.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[apply(on_each_storage!)]
async fn what_lies_before_a_base_is_collected_and_nothing_is_lost() {
    let mut server = TestServer::start_with(|config| config.log_policy = OFTEN).await;
    for n in 0..30 {
        server.given_collection(&format!("c{n}")).await;
        if n % 3 == 0 {
            server.delete_collection(&format!("c{n}")).await.unwrap();
        }
    }
    let data = server.dir.path().to_owned();
    eventually("old entries go", async || {
        let names = names(&data);
        names.iter().filter(|name| name.contains(".base")).count() == 2 && names.len() < 40
    })
    .await;
    let dir = server.stop().await;
    let before = everything(&records_of(&dir).await);
    assert!(before.len() > 20);
    // From the index, and from the newest base.
    for _ in 0..2 {
        let server = TestServer::reopen(dir_of(&dir)).await;
        server.stop().await;
        assert_eq!(everything(&records_of(&dir).await), before);
        std::fs::remove_dir_all(dir.path().join("metadata")).unwrap();
        assert_eq!(everything(&records_of(&dir).await), before);
    }
}

fn dir_of(dir: &tempfile::TempDir) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    super::given::copy_all(dir.path(), copy.path());
    copy
}
