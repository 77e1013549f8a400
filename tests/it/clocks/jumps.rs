//! The clock is set ahead or back, and right again, on a machine that goes on running.

use stillframe::clock::Clock;

use super::{Given, wrong};

#[apply(on_each_storage!)]
async fn nothing_is_lost_while_the_server_runs() {
    let mut given = Given::start(Clock::default()).await;
    for by in wrong() {
        given.server.clock.jump(by);
        given.noticed().await;
        given.check(&format!("set by {by}")).await;
        given.server.clock.jump(-by);
        given.agreed().await;
        given.check(&format!("right again after {by}")).await;
    }
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn nothing_is_lost_over_a_restart() {
    let mut given = Given::start(Clock::default()).await;
    for by in wrong() {
        given.server.clock.jump(by);
        let clock = given.server.clock.of_another_process();
        given = given.reopen(clock, false).await;
        assert!(given.server.clock.dispute().is_some(), "by {by}");
        given.check(&format!("started with {by}")).await;
        given = given.started_right(by).await;
    }
    given.server.stop().await;
}

#[apply(on_directory!)]
async fn nothing_is_lost_if_the_clock_is_right_before_the_next_start() {
    let mut given = Given::start(Clock::default()).await;
    for by in wrong() {
        given.server.clock.jump(by);
        given.noticed().await;
        given = given.started_right(by).await;
    }
    given.server.stop().await;
}
