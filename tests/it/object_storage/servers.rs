//! Two servers on one root: the marker refuses the second, and if it gets past
//! that, the databases fence the first, which stops.

use std::time::Duration;

use stillframe::{
    app::{App, Config},
    clock::Clock,
    instance::StartError,
};

use crate::{
    records::given::copy_all,
    support::{COMMONS, TestServer, config, eventually, records_of, try_write, upsert},
};

#[apply(on_s3!)]
async fn a_second_server_is_refused_by_the_marker() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    let other = tempfile::tempdir().unwrap();
    let mut second = config(other.path());
    second.storage = Some(server.loopback.as_ref().unwrap().storage());
    let refused = App::open(second, Clock::default()).await.map(drop);
    assert!(matches!(refused, Err(StartError::Foreign { .. })), "{refused:?}");
    server.write("books", vec![upsert("a", "{}")]).await;
    server.stop().await;
}

/// A copy of the data directory makes a twin that the marker cannot tell apart.
async fn given_twins() -> (TestServer, TestServer) {
    given_twins_of(|_| {}).await
}

/// The same, the first with a changed configuration.
async fn given_twins_of(change: impl FnOnce(&mut Config)) -> (TestServer, TestServer) {
    let mut first = TestServer::start().await;
    first.given_collection("books").await;
    let twin = tempfile::tempdir().unwrap();
    let dir = TestServer::stop(first).await;
    // Nobody writes to it any more.
    drop(records_of(&dir).await);
    copy_all(&dir.path().join("metadata"), &twin.path().join("metadata"));
    let first = TestServer::reopen_with(dir, change).await.unwrap();
    let storage = first.loopback.as_ref().unwrap().storage();
    let second = TestServer::reopen_with(twin, |config| config.storage = Some(storage)).await.unwrap();
    (first, second)
}

#[apply(on_s3!)]
async fn a_server_that_is_fenced_off_stops_and_loses_nothing() {
    let (mut first, mut second) = given_twins().await;
    first.write("books", vec![upsert("acknowledged", "{}")]).await;
    second.write("books", vec![upsert("of-the-second", "{}")]).await;
    assert_eq!(second.scan("books").await.len(), 2, "D1");

    eventually("the first notices", async || try_write(&mut first, "late").await.is_err()).await;
    first.stopped_by_itself().await;
    let ids: Vec<_> = second.scan("books").await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["acknowledged", "of-the-second"]);
    second.stop().await;
}

/// Whoever commits second finds the revision taken, and stops.
#[apply(on_s3!)]
async fn a_second_server_that_changes_records_makes_the_first_stop() {
    let (mut first, mut second) = given_twins().await;
    second.given_collection("of-the-second").await;
    first.create_collection(COMMONS, "late").await.unwrap_err();
    second.given_collection("again").await;
    // The bucket is the first one's, and goes with it.
    first.stopped_by_itself().await;
    second.stop().await;
}

/// Who commits nothing looks for others now and then.
#[apply(on_s3!)]
async fn a_second_server_that_changes_records_makes_an_idle_one_stop() {
    let (first, mut second) = given_twins_of(|config| config.rivals_every = Duration::from_millis(20)).await;
    second.given_collection("of-the-second").await;
    first.stopped_by_itself().await;
    second.stop().await;
}
