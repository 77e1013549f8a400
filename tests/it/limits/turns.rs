//! How much is at work at once. That of scans is in `documents::stream_ends`.

use stillframe::pb::{self, restore::State};

use crate::support::{COMMONS, DEADLINE, TestServer};

const RESTORES: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_restores_are_at_work_and_the_others_wait() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 5_000, 1).await;
    server.given_snapshot("books", "monday").await;
    for n in 0..RESTORES {
        server.request_restore("monday", &format!("r{n}")).await.unwrap();
    }
    // One that works is RUNNING, one that waits is PENDING.
    let mut most = 0;
    let watch = async {
        loop {
            let request = pb::ListRestoresRequest { parent: COMMONS.to_owned(), ..Default::default() };
            let restores = server.restores.list_restores(request).await.unwrap().into_inner().restores;
            let count = |state| restores.iter().filter(|restore| restore.state() == state).count();
            most = most.max(count(State::Running));
            if count(State::Succeeded) == RESTORES {
                break;
            }
        }
    };
    tokio::time::timeout(DEADLINE, watch).await.expect("all of them end in time");
    assert_eq!(most, 2);
    server.stop().await;
}
