//! Sources on a full disk wait, and go on by themselves.

use stillframe::pb::{self, source::State};
use tonic_types::StatusExt;

use super::{clear, fill, given_disk};
use crate::{
    recovery::invariants::{becomes, check},
    sources::ndjson,
    support::{TestServer, eventually},
};

/// Waits until it says what it waits for.
async fn pauses(server: &mut TestServer) -> pb::Source {
    let mut last = pb::Source::default();
    eventually("it says why it waits", async || {
        last = server.source("books").await;
        assert_ne!(last.state(), State::Error, "{last:?}");
        last.error.is_some()
    })
    .await;
    let error = last.error.clone().unwrap();
    let details: Vec<u8> = prost::Message::encode_to_vec(&error);
    let status = tonic::Status::with_details(error.code.into(), error.message, details.into());
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "STORAGE_FULL");
    last
}

#[apply(on_directory!)]
async fn one_that_reads_pauses_and_goes_on() {
    let Some((disk, mut server)) = given_disk(|_| {}).await else { return };
    server.import("a.ndjson", ndjson(0, 100, 1));
    server.given_source("books", pb::Source::default()).await;
    server.ingested("books", 1).await;
    fill(&disk, &mut server).await;
    server.import("b.ndjson", ndjson(100, 200, 1));
    let paused = pauses(&mut server).await;
    assert_eq!((paused.objects_done, paused.documents_ingested), (1, 100));
    clear(&disk, &mut server).await;
    assert_eq!(server.ingested("books", 2).await.documents_ingested, 200);
    // Behind the last document its visit comes to an end.
    becomes("what it waits for", &None, async || server.source("books").await.error).await;
    check(&mut server).await;
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_new_one_waits_from_the_start() {
    let Some((disk, mut server)) = given_disk(|_| {}).await else { return };
    server.import("a.ndjson", ndjson(0, 100, 1));
    fill(&disk, &mut server).await;
    server.given_source("books", pb::Source::default()).await;
    assert_eq!(pauses(&mut server).await.documents_ingested, 0);
    clear(&disk, &mut server).await;
    assert_eq!(server.ingested("books", 1).await.documents_ingested, 100);
    check(&mut server).await;
    server.stop().await;
}
