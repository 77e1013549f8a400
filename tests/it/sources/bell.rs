//! The worker hears which source has changed: nothing waits for a sweep, which looks at all.

use std::time::Duration;

use stillframe::pb::{self, source::State};

use super::{documents, ndjson};
use crate::support::TestServer;

#[apply(on_each_storage!)]
async fn what_is_to_be_done_does_not_wait_for_a_sweep() {
    let mut server = TestServer::start_with(|config| config.sweep_every = Duration::from_hours(1)).await;
    server.given_collection("books").await;
    for round in 0..3 {
        server.import(&format!("{round}.ndjson"), ndjson(round * 3, round * 3 + 3, 1));
        if round == 0 {
            server.given_source("books", pb::Source::default()).await;
        } else {
            assert_eq!(server.suspend("books").await.state(), State::Suspended);
            server.resume("books").await;
        }
        let objects = i64::try_from(round).unwrap() + 1;
        server.ingested("books", objects).await;
    }
    assert_eq!(server.scan("books").await, documents(0, 9, 1));
    // Its marks go, and another one of its name begins anew.
    server.delete_source("books").await.unwrap();
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 3).await;
    server.stop().await;
}
