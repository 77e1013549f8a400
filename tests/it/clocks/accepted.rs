//! The first start of all had a clock that was ahead, which nothing could tell.

use stillframe::{
    clock::Clock,
    pb::{self, snapshot::State},
};
use tonic::Code;

use super::{Given, HOUR};
use crate::support::{micros, refused};

async fn ahead() -> (Given, Clock) {
    let right = Clock::default();
    let given = Given::start(Clock::starting_at(right.now() + HOUR)).await;
    (given, right)
}

#[apply(on_each_storage!)]
async fn what_it_wrote_takes_writes_and_is_restored_at_once() {
    let (mut given, right) = ahead().await;
    given = given.reopen(right.of_another_process(), false).await;
    assert!(given.server.clock.dispute().is_some());
    given.check("right, and not believed").await;
    given = given.reopen(right.of_another_process(), true).await;
    assert!((given.server.clock.now() - right.now()).abs() < HOUR / 2);
    given.check("accepted").await;
    given = given.reopen(right.of_another_process(), false).await;
    assert_eq!(given.server.clock.dispute(), None, "that lasts");
    given.check("started again").await;
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn the_live_bearer_of_a_name_is_shown_whoever_had_it_before() {
    let (mut given, right) = ahead().await;
    given.server.given_snapshot("books", "s").await;
    given.server.delete_snapshot("s").await.unwrap();
    given = given.reopen(right.of_another_process(), true).await;
    let again = given.server.given_snapshot("books", "s").await;
    let shown = given.server.get_snapshot("s").await.unwrap();
    assert_eq!((shown.state(), &shown.uid), (State::Created, &again.uid));
    given.server.given_restore("s", "copy").await;
    given.server.delete_snapshot("s").await.unwrap();
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn what_was_requested_in_the_future_uses_up_no_rate() {
    let (mut given, right) = ahead().await;
    let kept = given.server.get_snapshot("books-kept").await.unwrap();
    assert!(micros(kept.create_time.as_ref()) > right.now() + HOUR / 2);
    let gates = pb::Workspace { snapshot_creates_per_minute: Some(2), ..Default::default() };
    given.server.given_gates(gates).await;
    given = given.reopen(right.of_another_process(), true).await;
    given.server.given_snapshot("books", "one").await;
    given.server.given_snapshot("books", "two").await;
    refused(given.server.request_snapshot("books", "three").await, Code::ResourceExhausted, "RATE_LIMITED");
    given.server.stop().await;
}
