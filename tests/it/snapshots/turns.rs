//! Snapshots take turns: those of a collection whose storage is slow keep out nobody else's.

use stillframe::pb;

use super::siblings::quiet;
use crate::support::{
    DEADLINE, TestServer, eventually,
    s3::{Harm, Requests, Rule, Which},
    upsert,
};

/// More than are worked on at once.
const WAITING: usize = 100;

#[apply(on_s3!)]
async fn a_collection_whose_snapshots_are_slow_leaves_turns_to_others() {
    let mut server = TestServer::start_with(|config| {
        quiet(config);
        config.tuning.storage_patience.admin = 8 * DEADLINE;
    })
    .await;
    let slow = server.given_collection("slow").await.uid;
    server.given_collection("quick").await;
    for collection in ["slow", "quick"] {
        server.write(collection, vec![upsert("a", "{}")]).await;
    }
    let below = format!("collections/{slow}/");
    let stuck = Rule::new(Harm::Hold).on(Requests::Writes).below(&below).which(Which::Next(1));
    let fault = server.loopback.as_ref().unwrap().harm(stuck);
    for n in 0..WAITING {
        server.create_snapshot("slow", &format!("s{n}"), pb::Snapshot::default()).await.unwrap();
    }
    eventually("the first is under way", async || fault.harmed() == 1).await;
    server.given_snapshot("quick", "q").await;
    let first = server.get_snapshot("s0").await.unwrap();
    assert_eq!(first.state(), pb::snapshot::State::Requested);
    drop(fault);
    server.stop().await;
}
