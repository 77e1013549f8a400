//! Hands on what is known of time, from look to look and from process to process.
//!
//! On one run of the machine the time is known exactly, whatever becomes of the wall
//! clock meanwhile. On another it is held against the newest time that the record log,
//! or the process before, has seen: it was not earlier.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    clock::{Clock, Dispute, Known, Micros, Verdict, duration, rfc3339, words},
    error::Error,
    records::{ClockSeen, Records},
};

/// How often the time is noted for the next process: no longer does a machine look off
/// that ran.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// Goes on from what the process before has noted, and from what the record log says.
/// `accept`: the wall clock is right, whatever that is.
pub async fn resume(clock: &Clock, records: &Records, accept: bool) {
    let seen = records.cache().get(&ClockSeen::the_only()).unwrap_or_else(|error| {
        tracing::warn!(error = error.in_full(), "what the process before knew of the time cannot be read");
        None
    });
    let (known, newest) = known(clock.boot_id(), seen.as_ref(), records.revision(), records.found_time());
    if let Some(verdict) = clock.resume(known, newest, accept) {
        say(clock, verdict);
    }
    save(clock, records).await;
}

/// What is known of time, and the newest that there was.
fn known(
    boot_id: Option<Uuid>,
    seen: Option<&ClockSeen>,
    revision: u64,
    log: Option<Micros>,
) -> (Known, Option<Micros>) {
    // What the log has got since it was noted is newer; what it had may be of a clock
    // that is no longer believed.
    let log = log.filter(|_| seen.is_none_or(|seen| seen.revision < revision));
    let newest = log.or(seen.map(|seen| seen.time));
    let is_same_boot = |seen: &&ClockSeen| boot_id.is_some_and(|id| seen.boot_id == id.as_bytes());
    let known = match (seen.filter(is_same_boot), newest) {
        (Some(seen), _) => {
            let since = seen.disputed_since;
            let dispute = seen.disputed_offset.map(|offset| Dispute { offset, since });
            Known::Boot { offset: seen.offset, dispute, has_gap: seen.has_gap }
        }
        (None, Some(newest)) => Known::Time(newest),
        (None, None) => Known::Nothing,
    };
    (known, newest)
}

/// Looks whether the wall clock is to be believed, until the service stops.
pub async fn watch(clock: Clock, records: Records, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut noted = Instant::now();
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        let verdict = clock.look();
        if let Some(verdict) = verdict {
            say(&clock, verdict);
        }
        if verdict.is_none() && noted.elapsed() < NOTED_EVERY {
            continue;
        }
        noted = Instant::now();
        if verdict.is_some() {
            save(&clock, &records).await;
        } else if let Err(error) = note(&clock, &records) {
            lost(&error);
        }
    }
}

/// Notes the time durably, with what else the next start is to find.
pub async fn save(clock: &Clock, records: &Records) {
    let noted = note(clock, records);
    let saved = records.save().await;
    if let Err(error) = noted.and(saved) {
        lost(&error);
    }
}

fn lost(error: &Error) {
    tracing::warn!(error = error.in_full(), "the next start knows less of the time, and reads more of the record log");
}

/// Notes the time for the next process.
fn note(clock: &Clock, records: &Records) -> Result<(), Error> {
    let dispute = clock.dispute();
    records.cache().put(&ClockSeen {
        time: clock.now(),
        revision: records.revision(),
        boot_id: clock.boot_id().map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        offset: clock.offset(),
        disputed_offset: dispute.map(|dispute| dispute.offset),
        disputed_since: dispute.map_or(0, |dispute| dispute.since),
        has_gap: clock.has_gap(),
    })
}

/// Tells the operator.
fn say(clock: &Clock, verdict: Verdict) {
    let (time, clock) = (rfc3339(clock.now()), rfc3339(clock.wall()));
    match verdict {
        Verdict::Disputed(ahead) => {
            let by = words(duration(ahead.saturating_abs()));
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            tracing::warn!(
                time,
                clock,
                "the clock of the machine is {by} {way} the time that is known and is not believed: nothing expires for \
                 good until both agree again, or it has gone on for a day, or the next start is told to --accept-clock"
            );
        }
        Verdict::Agreed => tracing::info!(time, clock, "the clock of the machine agrees with the time that is known"),
        Verdict::Settled => tracing::warn!(time, clock, "the clock of the machine has gone on for a day: it is right"),
        Verdict::Accepted => tracing::warn!(time, clock, "the clock of the machine is right, as --accept-clock says"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Uuid = Uuid::from_u128(1);

    fn seen(time: Micros, revision: u64) -> ClockSeen {
        let boot_id = BOOT.as_bytes().to_vec();
        ClockSeen { time, revision, boot_id, offset: 7, ..ClockSeen::default() }
    }

    #[test]
    fn the_same_machine_knows_the_time_and_another_the_newest() {
        let (time, boot) = (Known::Time, Known::Boot { offset: 7, dispute: None, has_gap: false });
        assert_eq!(known(Some(BOOT), None, 0, None), (Known::Nothing, None), "the first start of all");
        assert_eq!(known(Some(BOOT), None, 3, Some(30)), (time(30), Some(30)), "the log alone");
        assert_eq!(known(Some(BOOT), Some(&seen(40, 3)), 3, Some(30)), (boot, Some(40)));
        let other = Some(Uuid::from_u128(2));
        for boot_id in [other, None] {
            assert_eq!(known(boot_id, Some(&seen(40, 3)), 3, Some(30)), (time(40), Some(40)));
            assert_eq!(known(boot_id, Some(&seen(40, 3)), 4, Some(50)), (time(50), Some(50)), "the log went on");
        }
        // Accepted since the log was written last.
        assert_eq!(known(other, Some(&seen(40, 3)), 3, Some(90)), (time(40), Some(40)));
    }

    #[test]
    fn a_clock_that_is_not_believed_is_remembered() {
        let seen = ClockSeen { disputed_offset: Some(-5), disputed_since: 3, has_gap: true, ..seen(40, 3) };
        let dispute = Some(Dispute { offset: -5, since: 3 });
        assert_eq!(known(Some(BOOT), Some(&seen), 3, None).0, Known::Boot { offset: 7, dispute, has_gap: true });
    }
}
