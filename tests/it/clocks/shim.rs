//! The clock of the machine is wrong: a server that another process runs sees a wall
//! clock that the test turns (`shift.c`), while time itself goes on.

use std::{path::Path, process::Command};

use super::shifted::ShiftedClock;
use crate::{
    recovery::child::Child,
    support::{build_c, eventually},
};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// As far as clocks are turned, there and back.
const SHIFTS: [i64; 9] = [0, 5 * SECOND, -5 * SECOND, HOUR, -HOUR, 8 * DAY, -8 * DAY, 10 * YEAR, -10 * YEAR];

/// What the clocks of a process say, in microseconds.
#[derive(Debug)]
struct Clocks {
    wall: [i64; 3],
    monotonic: i64,
    boot: i64,
}

impl Clocks {
    /// Those of a process that sees the clock which the environment says.
    fn seen(probe: &Path, environment: &[(String, String)]) -> Self {
        let said = Command::new(probe).envs(environment.iter().cloned()).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        let said: Vec<i64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [real, day, time, monotonic, boot] = said.try_into().unwrap();
        Self { wall: [real, day, time], monotonic, boot }
    }
}

#[test]
fn the_wall_clock_is_shifted_and_no_other() {
    let tools = tempfile::tempdir().unwrap();
    let probe = build_c(tools.path(), "probe.c", include_str!("probe.c"), &[]);
    let clock = ShiftedClock::new(tools.path());
    for shift in SHIFTS {
        clock.set(shift);
        let before = Clocks::seen(&probe, &[]);
        let seen = Clocks::seen(&probe, &clock.environment());
        let after = Clocks::seen(&probe, &[]);
        for wall in seen.wall {
            // The last of the three has whole seconds only.
            let earliest = before.wall[0] + shift - SECOND;
            assert!((earliest..=after.wall[0] + shift).contains(&wall), "{shift}: {before:?} {seen:?} {after:?}");
        }
        assert!((before.monotonic..=after.monotonic).contains(&seen.monotonic), "{before:?} {seen:?} {after:?}");
        assert!((before.boot..=after.boot).contains(&seen.boot), "{before:?} {seen:?} {after:?}");
    }
}

/// The year of the newest line of a log that has a time.
fn newest_year(dir: &Path) -> Option<i64> {
    let log = std::fs::read_to_string(dir.join("server.log")).ok()?;
    let year = |line: &str| {
        let at = line.find('T').filter(|at| line[..*at].ends_with(|last: char| last.is_ascii_digit()))?;
        line.get(at.checked_sub("2026-11-28".len())?..)?.get(..4)?.parse().ok()
    };
    log.lines().rev().find_map(year)
}

/// The real binary sees the clock being turned under it: its log, whose times are the
/// machine's whatever it makes of them, says so.
#[apply(on_directory!)]
async fn a_running_server_sees_the_clock_turned() {
    let tools = tempfile::tempdir().unwrap();
    let clock = ShiftedClock::new(tools.path());
    let mut child = Child::start_in(tempfile::tempdir().unwrap(), "", &[], &clock.environment()).await;
    let dir = child.client.dir.path().to_owned();
    let this_year = newest_year(&dir).expect("a log with times");
    for (n, years) in [0, 10].into_iter().enumerate() {
        clock.set(years * YEAR);
        child.client.given_collection(&format!("c{n}")).await;
        // Leap days make it up to three days less.
        let near = |year: i64| (year - this_year - years).abs() <= 1;
        eventually("a line of that year", async || newest_year(&dir).is_some_and(near)).await;
    }
    child.terminated().await;
    child.kill().await;
}
