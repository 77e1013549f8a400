//! A snapshot is taken once, whatever else its worker has to do (**S1**, **S2**).

use std::collections::BTreeSet;

use crate::{
    recovery::invariants::check_held,
    support::{DEADLINE, MINUTE, TestServer, rounds, upsert, with_ttl},
};

/// Snapshots that end together keep the worker busy for as long as one is taken.
const TOGETHER: usize = 12;

#[apply(on_directory!)]
async fn a_worker_that_is_long_about_others_takes_no_snapshot_again() {
    let mut server = TestServer::start().await;
    let uid = server.given_collection("books").await.uid;
    let mut taken = BTreeSet::new();
    let rounds = rounds(2, 10);
    for round in 0..rounds {
        let ids = |kind: &str| (0..TOGETHER).map(|n| format!("s{round}-{kind}{n:02}")).collect::<Vec<_>>();
        let (first, second) = (ids("a"), ids("b"));
        for (ids, ttl) in [(&first, 10 * MINUTE), (&second, 20 * MINUTE)] {
            for id in ids {
                server.create_snapshot("books", id, with_ttl(ttl)).await.unwrap();
            }
            server.watch_snapshot(ids.last().unwrap()).await;
        }
        server.write("books", vec![upsert("a", &format!(r#"{{"n":{round}}}"#))]).await;
        let before = server.get_snapshot(&first[TOGETHER - 1]).await.unwrap();
        // What the worker knows of the last one grows old while it ends the others.
        server.clock.advance(11 * MINUTE);
        let last = format!("s{round}-z");
        server.request_snapshot("books", &last).await.unwrap();
        // Now that the first have been ended it is being taken, while the others are
        // found. Nothing but an etag says so, and a pause would come too late.
        let ended = async { while server.get_snapshot(&first[TOGETHER - 1]).await.unwrap().etag == before.etag {} };
        tokio::time::timeout(DEADLINE, ended).await.expect("the first are ended");
        server.clock.advance(10 * MINUTE);
        taken.insert(server.watch_snapshot(&last).await.pop().unwrap().uid);
    }
    check_held(&server, &uid, &taken).await;
    for round in 0..rounds {
        server.given_restore(&format!("s{round}-z"), &format!("r{round}")).await;
        assert_eq!(server.scan(&format!("r{round}")).await, [("a".to_owned(), format!(r#"{{"n":{round}}}"#))]);
    }
    server.stop().await;
}
