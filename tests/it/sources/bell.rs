//! The worker hears which source has changed: nothing waits for a sweep, which looks at all.

use std::time::Duration;

use stillframe::pb::{self, source::State};

use super::{documents, ndjson};
use crate::support::{TestServer, eventually};

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

/// So many names are not held at once: what is left is read at once as well, and in its order.
#[apply(on_directory!)]
async fn more_names_than_are_held_at_once_are_read_without_a_pause() {
    const OBJECTS: usize = 5_000;
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let long = ["x"; 4].map(|x| x.repeat(240)).join("/");
    for n in 0..OBJECTS {
        let path = format!("{long}/{n:05}.ndjson");
        std::fs::create_dir_all(server.dir.path().join("import").join(&long)).unwrap();
        std::fs::write(server.dir.path().join("import").join(path), format!("{{\"_id\":\"a\",\"n\":{n}}}")).unwrap();
    }
    let hour = Some(crate::support::span(Duration::from_hours(1)));
    let source = pb::Source { location: server.location(""), scan_interval: hour, ..Default::default() };
    server.create_source("books", "in", source).await.unwrap();
    let objects = i64::try_from(OBJECTS).unwrap();
    eventually("all are read", async || server.source("books").await.objects_done == objects).await;
    assert_eq!(server.ingested("books", objects).await.documents_ingested, objects);
    assert_eq!(server.scan("books").await, [("a".to_owned(), format!("{{\"n\":{}}}", OBJECTS - 1))]);
    server.stop().await;
}
