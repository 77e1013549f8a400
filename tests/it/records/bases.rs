//! Bases: the log does not grow without bound, and a start from one is a start.

use std::path::Path;

use stillframe::{app::Config, records::Policy};

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

/// The bases that are there, the oldest first.
fn bases(data: &Path) -> Vec<String> {
    names(data).into_iter().filter(|name| name.contains(".base")).collect()
}

/// What lies before the newest base may be gone, so the next one is made of that base, also of
/// one that another process has made.
#[apply(on_each_storage!)]
async fn bases_go_on_behind_a_start() {
    let often = |config: &mut Config| config.log_policy = OFTEN;
    let mut server = TestServer::start_with(often).await;
    let data = server.dir.path().to_owned();
    let mut count = 0;
    eventually("there are two bases", async || {
        count += 1;
        server.given_collection(&format!("c{count}")).await;
        bases(&data).len() == 2
    })
    .await;
    let dir = server.stop().await;
    let before = bases(dir.path());
    let mut server = TestServer::reopen_with(dir, often).await.unwrap();
    let data = server.dir.path().to_owned();
    eventually("both are followed by others", async || {
        count += 1;
        server.given_collection(&format!("c{count}")).await;
        let now = bases(&data);
        now.len() == 2 && now.iter().all(|base| !before.contains(base))
    })
    .await;
    server.stop().await;
}

fn dir_of(dir: &tempfile::TempDir) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    super::given::copy_all(dir.path(), copy.path());
    copy
}
