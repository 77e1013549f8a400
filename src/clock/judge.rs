//! Whether the wall clock is believed.
//!
//! Anybody may set it; nobody can set the time since the machine was started. So from
//! one moment at which the wall clock was right, the time is known for as long as the
//! machine runs, whatever becomes of the wall clock. What differs from that is *in
//! dispute*: time goes on as it is known, and nothing is destroyed by it, until both
//! agree again, or the wall clock has gone on steadily for a day: then it was set
//! right.

use super::{Micros, machine::Reading};

/// What the two clocks may differ by: a correction that nobody needs to know of, a leap
/// second.
pub const TOLERANCE: Micros = 2_000_000;
/// A clock that creeps is believed by no more than the tolerance in so long.
const CREEP: Micros = 600 * 1_000_000;
/// How far behind the newest time that is known a machine may be started again without
/// a doubt: it was off for so long.
const DOWNTIME: Micros = 3_600 * 1_000_000;
/// How long a clock that was set has to go on steadily.
pub const STEADY: Micros = 24 * 3_600 * 1_000_000;
/// How many looks in a row must find both clocks in agreement: one may fall into the
/// moment in which a clock is set.
pub const LOOKS: u32 = 2;

/// What an earlier look, or an earlier process, knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: there was none.
    Nothing,
    /// This machine still runs.
    Boot {
        /// When it was started, by the clock that was believed.
        offset: Micros,
        /// The clock that was not.
        dispute: Option<Dispute>,
        /// Whether the machine may have been off before that, for longer than is known.
        has_gap: bool,
    },
    /// The newest time that was believed, on whatever machine.
    Time(Micros),
}

/// A wall clock that is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// When the machine was started, by that clock.
    pub offset: Micros,
    /// Since when it has gone on steadily, since the start of the machine.
    pub since: Micros,
}

/// What a look has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The wall clock is not believed, being ahead by so much, or behind.
    Disputed(Micros),
    /// Both agree again.
    Agreed,
    /// The wall clock is believed, since it has gone on steadily.
    Settled,
    /// It is believed because an operator says so.
    Accepted,
}

impl Verdict {
    /// Whether time was set, be it back.
    #[must_use]
    pub fn sets_time(self) -> bool {
        matches!(self, Self::Settled | Self::Accepted)
    }
}

/// Judges the wall clock by what it is told of it.
#[derive(Debug)]
pub struct Judge {
    /// When the machine was started, by the time that is believed.
    offset: Micros,
    /// How far ahead of it the wall clock may be when the next look is taken.
    room: Micros,
    /// When the offset was last moved along.
    moved: Micros,
    /// Looks in a row that found both in agreement.
    agreeing: u32,
    dispute: Option<Dispute>,
    /// The time that is believed is only the earliest that it can be.
    has_gap: bool,
}

impl Judge {
    /// Believes the wall clock.
    pub fn believing(reading: Reading) -> Self {
        let mut judge = Self { offset: 0, room: TOLERANCE, moved: 0, agreeing: LOOKS, dispute: None, has_gap: false };
        judge.settle(reading);
        judge
    }

    /// Goes on from what is known. `accept`: the wall clock is right, whatever that is.
    pub fn resume(&mut self, reading: Reading, known: Known, accept: bool) -> Option<Verdict> {
        let offset = match known {
            Known::Nothing => reading.offset(),
            Known::Boot { offset, .. } => offset,
            Known::Time(time) => time - reading.boot,
        };
        self.has_gap = matches!(known, Known::Time(_) | Known::Boot { has_gap: true, .. });
        // It may have been off for so long.
        self.room = if self.has_gap { DOWNTIME } else { TOLERANCE };
        self.offset = offset;
        self.dispute = None;
        self.agreeing = 0;
        if accept || known == Known::Nothing {
            let was_in_doubt = !self.agrees(reading);
            self.settle(reading);
            self.agreeing = LOOKS;
            return was_in_doubt.then_some(Verdict::Accepted);
        }
        if self.agrees(reading) {
            self.settle(reading);
            self.agreeing = 1;
            return None;
        }
        let before = if let Known::Boot { dispute, .. } = known { dispute } else { None };
        let still = before.filter(|before| is_close(before.offset, reading.offset()));
        self.dispute = Some(still.unwrap_or_else(|| dispute(reading)));
        Some(Verdict::Disputed(self.ahead(reading)))
    }

    /// Compares the two clocks.
    pub fn look(&mut self, reading: Reading) -> Option<Verdict> {
        if self.agrees(reading) {
            self.agreeing = self.agreeing.saturating_add(1);
            match &mut self.dispute {
                Some(_) if self.agreeing >= LOOKS => {
                    self.settle(reading);
                    return Some(Verdict::Agreed);
                }
                Some(dispute) => dispute.since = reading.boot,
                None if reading.boot - self.moved >= CREEP => self.settle(reading),
                None => {}
            }
            return None;
        }
        self.agreeing = 0;
        match &mut self.dispute {
            Some(dispute) if is_close(dispute.offset, reading.offset()) => {
                let is_steady = reading.boot - dispute.since >= STEADY;
                is_steady.then(|| {
                    self.settle(reading);
                    Verdict::Settled
                })
            }
            _ => {
                self.dispute = Some(dispute(reading));
                Some(Verdict::Disputed(self.ahead(reading)))
            }
        }
    }

    /// Whether this look, and the last ones, found both in agreement.
    pub fn confirms(&self, reading: Reading) -> bool {
        self.dispute.is_none() && self.agreeing >= LOOKS && is_close(self.offset, reading.offset())
    }

    /// When the machine was started, by the time that is believed.
    pub fn offset(&self) -> Micros {
        self.offset
    }

    /// The wall clock that is not believed.
    pub fn dispute(&self) -> Option<Dispute> {
        self.dispute
    }

    /// Whether the time that is believed is only the earliest that it can be: the machine
    /// was off, and its clock is not believed yet.
    pub fn has_gap(&self) -> bool {
        self.has_gap
    }

    fn ahead(&self, reading: Reading) -> Micros {
        reading.offset().saturating_sub(self.offset)
    }

    fn agrees(&self, reading: Reading) -> bool {
        (-TOLERANCE..=self.room).contains(&self.ahead(reading))
    }

    /// Believes the wall clock from here on.
    fn settle(&mut self, reading: Reading) {
        (self.offset, self.moved) = (reading.offset(), reading.boot);
        (self.room, self.dispute, self.has_gap) = (TOLERANCE, None, false);
    }
}

fn dispute(reading: Reading) -> Dispute {
    Dispute { offset: reading.offset(), since: reading.boot }
}

fn is_close(one: Micros, other: Micros) -> bool {
    one.saturating_sub(other).saturating_abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;
    const HOUR: Micros = 3_600 * SECOND;
    const START: Micros = 1_000_000 * HOUR;

    /// What a machine says that was started at `START`, with a wall clock set by so much.
    fn at(boot: Micros, set: Micros) -> Reading {
        Reading { wall: START + boot + set, boot }
    }

    #[test]
    fn a_clock_that_is_set_is_not_believed_until_it_is_right_again() {
        for set in [5 * SECOND, HOUR, 8 * 24 * HOUR, 10 * 365 * 24 * HOUR] {
            for set in [set, -set] {
                let mut judge = Judge::believing(at(0, 0));
                assert!(judge.confirms(at(1, 0)));
                assert!(!judge.confirms(at(1, set)), "before anybody has looked");
                assert_eq!(judge.look(at(SECOND, set)), Some(Verdict::Disputed(set)));
                assert_eq!(judge.look(at(2 * SECOND, set)), None);
                assert_eq!(judge.offset(), START);
                assert_eq!(judge.look(at(3 * SECOND, 0)), None, "one look");
                assert!(!judge.confirms(at(3 * SECOND, 0)));
                assert_eq!(judge.look(at(4 * SECOND, 0)), Some(Verdict::Agreed));
                assert!(judge.confirms(at(4 * SECOND, 0)));
            }
        }
    }

    #[test]
    fn a_clock_that_goes_on_steadily_for_a_day_is_believed() {
        let mut judge = Judge::believing(at(0, 0));
        judge.look(at(0, HOUR));
        assert_eq!(judge.look(at(STEADY - 1, HOUR)), None);
        // Set once more, and the day begins anew.
        assert_eq!(judge.look(at(STEADY, -HOUR)), Some(Verdict::Disputed(-HOUR)));
        assert_eq!(judge.look(at(2 * STEADY - 1, -HOUR)), None);
        assert_eq!(judge.look(at(2 * STEADY, -HOUR)), Some(Verdict::Settled));
        assert_eq!(judge.offset(), START - HOUR);
        assert!(!judge.confirms(at(2 * STEADY, -HOUR)), "one look");
    }

    #[test]
    fn after_a_gap_time_is_only_the_earliest_that_it_can_be() {
        let mut judge = Judge::believing(at(0, 0));
        assert_eq!(judge.resume(at(0, 0), Known::Time(START - 9 * HOUR), false), Some(Verdict::Disputed(9 * HOUR)));
        assert!(judge.has_gap());
        // The process starts again, and the clock is set to what the machine may have been off.
        let (offset, dispute) = (judge.offset(), judge.dispute());
        judge.resume(at(SECOND, 0), Known::Boot { offset, dispute, has_gap: true }, false);
        assert!(judge.has_gap());
        judge.look(at(2 * SECOND, -HOUR * 17 / 2));
        assert_eq!(judge.look(at(3 * SECOND, -HOUR * 17 / 2)), Some(Verdict::Agreed));
        assert!(!judge.has_gap());
        judge.look(at(4 * SECOND, 0));
        assert!(!judge.has_gap(), "a clock that is set while we look leaves no doubt");
    }

    #[test]
    fn a_clock_that_creeps_is_believed_a_little() {
        let mut judge = Judge::believing(at(0, 0));
        let mut seen = Vec::new();
        // Half a second ahead more with every second.
        for second in 1..20 {
            seen.extend(judge.look(at(second * SECOND, second * SECOND / 2)));
        }
        assert_eq!(seen.first(), Some(&Verdict::Disputed(5 * SECOND / 2)));
        // A fifth of a second in ten minutes is a correction.
        let mut judge = Judge::believing(at(0, 0));
        for turn in 1..100 {
            assert_eq!(judge.look(at(turn * CREEP, turn * SECOND / 5)), None);
        }
    }

    #[test]
    fn a_process_knows_what_the_one_before_knew_on_the_same_machine() {
        let resumed = |known, reading, accept| {
            let mut judge = Judge::believing(reading);
            let verdict = judge.resume(reading, known, accept);
            (judge, verdict)
        };
        let boot = |dispute| Known::Boot { offset: START, dispute, has_gap: false };
        let (mut judge, verdict) = resumed(boot(None), at(HOUR, 0), false);
        assert_eq!((verdict, judge.confirms(at(HOUR, 0))), (None, false), "one look");
        assert_eq!(judge.look(at(HOUR + SECOND, 0)), None);
        assert!(judge.confirms(at(HOUR + SECOND, 0)));

        let (judge, verdict) = resumed(boot(None), at(HOUR, 5 * SECOND), false);
        assert_eq!((verdict, judge.offset()), (Some(Verdict::Disputed(5 * SECOND)), START));
        // The day goes on through a stop.
        let since = judge.dispute();
        let (mut judge, _) = resumed(boot(since), at(2 * HOUR, 5 * SECOND), false);
        assert_eq!(judge.look(at(HOUR + STEADY, 5 * SECOND)), Some(Verdict::Settled));
        let (judge, verdict) = resumed(boot(since), at(2 * HOUR, -HOUR), true);
        assert_eq!((verdict, judge.offset()), (Some(Verdict::Accepted), START - HOUR));
        assert!(judge.confirms(at(2 * HOUR, -HOUR)));
    }

    #[test]
    fn another_start_of_the_machine_is_held_against_the_newest_time_that_is_known() {
        let resumed = |time: Micros| {
            let mut judge = Judge::believing(at(0, 0));
            let verdict = judge.resume(at(0, 0), Known::Time(time), false);
            (judge, verdict)
        };
        for off in [0, HOUR] {
            let (judge, verdict) = resumed(START - off);
            assert_eq!((verdict, judge.offset()), (None, START), "off for {off}");
        }
        let (mut judge, verdict) = resumed(START - 48 * HOUR);
        assert_eq!((verdict, judge.offset()), (Some(Verdict::Disputed(48 * HOUR)), START - 48 * HOUR));
        assert_eq!(judge.look(at(STEADY, 0)), Some(Verdict::Settled));
        // A machine that learns the time only when it runs.
        let (mut judge, verdict) = resumed(START + 10 * HOUR);
        assert_eq!(verdict, Some(Verdict::Disputed(-10 * HOUR)));
        assert_eq!(judge.look(at(SECOND, 10 * HOUR + HOUR / 2)), None);
        assert_eq!(judge.look(at(2 * SECOND, 10 * HOUR + HOUR / 2)), Some(Verdict::Agreed));
    }

    #[test]
    fn what_nobody_knew_before_is_believed() {
        let mut judge = Judge::believing(at(0, 0));
        assert_eq!(judge.resume(at(1, HOUR), Known::Nothing, false), None);
        assert!(judge.confirms(at(2, HOUR)));
    }
}
