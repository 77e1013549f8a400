//! The machine is started again, and its clock is held against the newest time that is
//! known.

use std::time::Duration;

use stillframe::{clock::Clock, pb::snapshot::State};

use super::{Given, HOUR, SECOND};
use crate::support::{Doc, eventually, expire_time};

#[apply(on_directory!)]
async fn a_machine_that_was_off_for_a_moment_is_believed() {
    let mut given = Given::start(Clock::default()).await;
    let clock = given.server.clock.of_another_boot(Duration::from_mins(30));
    given = given.reopen(clock, false).await;
    assert_eq!(given.server.clock.dispute(), None);
    given.agreed().await;
    given.check("off for half an hour").await;
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn one_that_was_off_for_days_destroys_nothing_until_it_is_told_to() {
    let mut given = Given::start(Clock::default()).await;
    let clock = given.server.clock.of_another_boot(Duration::from_hours(72));
    given = given.reopen(clock, false).await;
    let clock = given.server.clock.clone();
    assert!(clock.dispute().is_some());
    assert!(clock.wall() - clock.now() > 71 * HOUR);
    given.check("off for three days").await;
    // Whose clock is right has documents of now.
    let late = Doc::new("late", clock.wall() - SECOND, "{}");
    given.server.write("events", vec![late.write()]).await;
    assert!(given.server.try_get("events", "late").await.is_ok());
    // What begins now lives as long as if there were no doubt.
    let taken = given.server.given_snapshot("books", "in-doubt").await;
    assert!(expire_time(&taken) > clock.wall() + 6 * 24 * HOUR);

    let clock = clock.of_another_process();
    given = given.reopen(clock, true).await;
    assert_eq!(given.server.clock.dispute(), None);
    eventually("what has expired is dropped", async || given.server.stats("events").await.document_count == 2).await;
    // `late`, and the one that said no time.
    assert_eq!(given.server.scan("events").await.len(), 2);
    assert_eq!(given.server.get_snapshot("in-doubt").await.unwrap().state(), State::Created);
    given.server.given_restore("books-kept", "books-again").await;
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn one_whose_clock_begins_anew_goes_on_from_where_it_was() {
    let mut given = Given::start(Clock::default()).await;
    let clock = given.server.clock.of_another_boot(Duration::from_mins(1));
    // No battery: the clock begins in the past, and is set when the network is there.
    let behind = 20 * 365 * 24 * HOUR;
    clock.jump(-behind);
    given = given.reopen(clock.of_another_process(), false).await;
    assert!(given.server.clock.dispute().is_some());
    given.check("behind").await;
    given.server.clock.jump(behind);
    given.agreed().await;
    given.check("set right").await;
    given.server.stop().await;
}
