//! How much is at work at once. That of scans is in `documents::stream_ends`.

use stillframe::pb::{self, restore::State};

use crate::support::{TestServer, micros};

const RESTORES: usize = 8;

/// How many were at work at once, at most. One is from its start to its end; who
/// takes over begins when the one before has ended.
fn most_at_once(restores: &[pb::Restore]) -> i64 {
    let starts = restores.iter().map(|restore| (micros(restore.start_time.as_ref()), 1));
    let ends = restores.iter().map(|restore| (micros(restore.end_time.as_ref()), -1));
    let mut turns: Vec<(i64, i64)> = starts.chain(ends).collect();
    turns.sort_unstable();
    let at_work = turns.into_iter().scan(0, |count, (_, change)| {
        *count += change;
        Some(*count)
    });
    at_work.max().unwrap()
}

#[apply(on_directory!)]
async fn two_restores_are_at_work_and_the_others_wait() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 5_000, 1).await;
    server.given_snapshot("books", "monday").await;
    // Until all of them are there, none can start.
    let block = server.block_pins();
    for n in 0..RESTORES {
        server.request_restore("monday", &format!("r{n}")).await.unwrap();
    }
    block.lift();
    let mut restores = Vec::new();
    for n in 0..RESTORES {
        let id = format!("r{n}");
        assert_eq!(server.ended_restore(&id).await.state(), State::Succeeded);
        restores.push(server.get_restore(&id).await.unwrap());
    }
    // Told from the records of all of it, not from looks in between.
    assert_eq!(most_at_once(&restores), 2);
    server.stop().await;
}
