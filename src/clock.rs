//! The one place that reads the clocks of the machine, so that tests own time.
//!
//! **C1** The wall clock is believed while it agrees with the time since the machine was
//! started (`judge.rs`); otherwise time goes on from when it last did. **C2** Time never
//! goes back, but when the wall clock is believed anew. **C3** What time destroys waits
//! until two looks in a row have found both clocks in agreement ([`Clock::confirmed`]).
//! What one process knows of time the next one learns in `timekeeper.rs`.

mod judge;
mod machine;
mod words;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::SecondsFormat;
use parking_lot::{Mutex, RwLock};
use uuid::{ContextV7, Timestamp, Uuid};

pub use self::{
    judge::{Dispute, Known, Verdict},
    words::words,
};
use self::{
    judge::{Judge, TOLERANCE},
    machine::{Machine, Reading},
};

/// Microseconds since the Unix epoch, the unit of every stored time.
pub type Micros = i64;

/// The time that is believed. Clones are the same clock.
#[derive(Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

struct Inner {
    machine: Machine,
    time: RwLock<Time>,
    judge: Mutex<Judge>,
    uids: Mutex<ContextV7>,
}

/// What the time is told by.
struct Time {
    /// When the machine was started, by the time that is believed.
    offset: Micros,
    /// It is only the earliest that it can be.
    has_gap: bool,
    /// The latest answer.
    last: AtomicI64,
}

impl Default for Clock {
    /// That of the machine, believed as it is.
    fn default() -> Self {
        Self::of(Machine::this())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Clock {
    fn of(machine: Machine) -> Self {
        let reading = machine.read_closely();
        let time = Time { offset: reading.offset(), has_gap: false, last: reading.wall.into() };
        let judge = Judge::believing(reading);
        let inner = Inner { machine, time: RwLock::new(time), judge: Mutex::new(judge), uids: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The time that is believed, in microseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Micros {
        let time = self.inner.time.read();
        let Reading { wall, boot } = self.inner.machine.read();
        let known = boot.saturating_add(time.offset);
        let now = if (wall - known).abs() <= TOLERANCE { wall } else { known };
        time.last.fetch_max(now, Ordering::AcqRel).max(now)
    }

    /// What the wall clock of the machine says, right or wrong.
    #[must_use]
    pub fn wall(&self) -> Micros {
        self.inner.machine.read().wall
    }

    /// How long the machine has run, its sleep included: what lies between two of these has
    /// passed, whatever the wall clock was set to meanwhile.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        duration(self.inner.machine.read().boot)
    }

    /// The time that a life counts from which begins `now`. After a start whose clock is not
    /// believed yet the time that is may be behind by as long as the machine was off, and
    /// what lived from there on would end early: then it is that of the machine, if that
    /// is later.
    #[must_use]
    pub fn stamp(&self, now: Micros) -> Micros {
        if self.has_gap() { self.latest(now) } else { now }
    }

    /// Whether the time that is believed is only the earliest that it can be.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.inner.time.read().has_gap
    }

    /// The latest that anybody may take for `now`: who goes by the wall clock of the
    /// machine may be right.
    #[must_use]
    pub fn latest(&self, now: Micros) -> Micros {
        let wall = self.wall();
        if wall.saturating_sub(now) > TOLERANCE { wall } else { now }
    }

    /// The time, if what it ends may be destroyed now.
    #[must_use]
    pub fn confirmed(&self) -> Option<Micros> {
        let confirms = self.inner.judge.lock().confirms(self.inner.machine.read_closely());
        confirms.then(|| self.now())
    }

    /// The wall clock that is not believed, if it is not.
    #[must_use]
    pub fn dispute(&self) -> Option<Dispute> {
        self.inner.judge.lock().dispute()
    }

    /// When the machine was started, by the time that is believed.
    #[must_use]
    pub fn offset(&self) -> Micros {
        self.inner.time.read().offset
    }

    /// Which run of the machine this is; none if it does not say.
    #[must_use]
    pub fn boot_id(&self) -> Option<Uuid> {
        self.inner.machine.boot_id()
    }

    /// Goes on from what was known before. `accept`: the wall clock is right, whatever
    /// that is.
    #[must_use]
    pub fn resume(&self, known: Known, newest: Option<Micros>, accept: bool) -> Option<Verdict> {
        if let Some(newest) = newest {
            // No uid is behind those that there are.
            self.uid_at(newest);
        }
        let mut judge = self.inner.judge.lock();
        let reading = self.inner.machine.read_closely();
        let verdict = judge.resume(reading, known, accept);
        // Nobody has been told a time yet.
        self.set(&judge, reading, true);
        verdict
    }

    /// Compares the wall clock with the time since the machine was started.
    pub fn look(&self) -> Option<Verdict> {
        let mut judge = self.inner.judge.lock();
        let reading = self.inner.machine.read_closely();
        let verdict = judge.look(reading);
        self.set(&judge, reading, verdict.is_some_and(Verdict::sets_time));
        verdict
    }

    fn set(&self, judge: &Judge, reading: Reading, anew: bool) {
        let mut time = self.inner.time.write();
        (time.offset, time.has_gap) = (judge.offset(), judge.has_gap());
        if anew {
            time.last = AtomicI64::new(reading.boot.saturating_add(time.offset));
        }
    }

    /// A new uid: a UUIDv7, so that uids order by time.
    #[must_use]
    pub fn new_uid(&self) -> Uuid {
        self.uid_at(self.now())
    }

    /// Never behind the one before.
    fn uid_at(&self, time: Micros) -> Uuid {
        let uids = self.inner.uids.lock();
        let time = duration(time);
        Uuid::new_v7(Timestamp::from_unix(&*uids, time.as_secs(), time.subsec_nanos()))
    }
}

/// What tests do to time.
impl Clock {
    /// A clock that shows this time now, and goes on from there: data written long ago
    /// is read as it was then.
    #[must_use]
    pub fn starting_at(time: Micros) -> Self {
        let machine = Machine::this();
        machine.set(time - machine.read().wall);
        Self::of(machine)
    }

    /// Lets time pass, for all clones: days of retention and expiry are tested in
    /// milliseconds.
    pub fn advance(&self, by: Duration) {
        self.inner.machine.pass(micros(by));
    }

    /// Sets the wall clock of the machine ahead, or back.
    pub fn jump(&self, by: Micros) {
        self.inner.machine.set(by);
    }

    /// That of another process on this machine, which knows nothing yet.
    #[must_use]
    pub fn of_another_process(&self) -> Self {
        Self::of(self.inner.machine.clone())
    }

    /// That of a process on this machine when it has been started again.
    #[must_use]
    pub fn of_another_boot(&self, after: Duration) -> Self {
        Self::of(self.inner.machine.started_again(after, new_uid()))
    }
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// At this time.
    At(Micros),
    /// After this long.
    After(Micros),
}

impl Expiration {
    /// The time, if the span begins now.
    #[must_use]
    pub fn time(self, now: Micros) -> Micros {
        match self {
            Self::At(time) => time,
            Self::After(span) => now.saturating_add(span),
        }
    }
}

/// A duration in the stored unit.
#[must_use]
pub fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A stored span as a duration; a negative one is none.
#[must_use]
pub fn duration(micros: Micros) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A stored time for people.
#[must_use]
pub fn rfc3339(time: Micros) -> String {
    let text =
        chrono::DateTime::from_timestamp_micros(time).map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    text.unwrap_or_else(|| format!("{time} µs"))
}

/// A new uid of what nobody orders by it: the clock it is made by is the machine's, right
/// or wrong.
#[allow(clippy::disallowed_methods, reason = "the one maker of such uids")]
#[must_use]
pub fn new_uid() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Micros = 3_600_000_000;

    #[test]
    fn time_goes_on_as_it_is_known_while_the_wall_clock_is_wrong() {
        let clock = Clock::default();
        let before = clock.now();
        for by in [5_000_000, HOUR, 8 * 24 * HOUR, -10 * 365 * 24 * HOUR] {
            clock.jump(by);
            let now = clock.now();
            assert!((before..before + HOUR).contains(&now), "by {by}");
            assert_eq!(clock.confirmed(), None);
            assert_eq!(clock.latest(now) > now, by > 0, "by {by}");
            clock.jump(-by);
            assert_eq!(clock.latest(now), now);
            assert!(clock.confirmed().is_some(), "nobody has looked meanwhile");
        }
        clock.advance(Duration::from_secs(3_600));
        assert!((before + HOUR..before + 2 * HOUR).contains(&clock.now()));
        assert!(clock.confirmed().is_some());
    }

    #[test]
    fn what_is_destroyed_waits_for_two_looks() {
        let clock = Clock::default();
        clock.jump(HOUR);
        assert!(matches!(clock.look(), Some(Verdict::Disputed(_))));
        clock.jump(-HOUR);
        assert_eq!((clock.look(), clock.confirmed()), (None, None));
        assert_eq!(clock.look(), Some(Verdict::Agreed));
        assert!(clock.confirmed().is_some());
    }

    #[test]
    fn a_clock_that_is_believed_anew_may_set_time_back() {
        let clock = Clock::default();
        let before = clock.now();
        clock.jump(-HOUR);
        clock.look();
        assert!(clock.now() >= before);
        clock.advance(Duration::from_hours(24));
        assert_eq!(clock.look(), Some(Verdict::Settled));
        assert!((before + 22 * HOUR..before + 24 * HOUR).contains(&clock.now()));
    }

    #[test]
    fn uids_order_by_time_and_are_behind_those_that_there_are() {
        let clock = Clock::default();
        let ahead = clock.now() + HOUR;
        assert_eq!(clock.resume(Known::Time(ahead), Some(ahead), true), Some(Verdict::Accepted));
        let millis = |uid: Uuid| uid.as_u128() >> 80;
        let mut last = clock.new_uid();
        assert!(millis(last) >= u128::try_from(ahead / 1_000).unwrap());
        for _ in 0..1_000 {
            let next = clock.new_uid();
            assert!(next > last);
            last = next;
        }
        clock.jump(-HOUR);
        assert!(clock.new_uid() > last);
    }
}
