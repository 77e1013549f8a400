//! What the machine says of time. Tests shift it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use super::{Micros, micros};

/// Names one run of the machine, from its start to its end.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The two clocks are read one behind the other; on a busy machine a second may lie in
/// between.
const APART: Micros = 50_000;
const READINGS: usize = 10;

/// What both clocks of the machine say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock: since the Unix epoch. Anybody may set it.
    pub wall: Micros,
    /// Since the machine was started, sleep included. Nobody can set it.
    pub boot: Micros,
}

impl Reading {
    /// When the machine was started, by the wall clock: it changes when that is set, and
    /// never otherwise.
    pub fn offset(self) -> Micros {
        self.wall.saturating_sub(self.boot)
    }
}

/// A machine. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Machine {
    shifts: Arc<Shifts>,
    boot_id: Option<Uuid>,
}

/// What tests have done to the time of a machine.
#[derive(Debug, Default)]
struct Shifts {
    /// Time that has passed in no time, by both clocks.
    passed: AtomicI64,
    /// What the wall clock alone was set by.
    set: AtomicI64,
}

impl Machine {
    /// The one that this process runs on.
    pub fn this() -> Self {
        static RUN: OnceLock<Option<Uuid>> = OnceLock::new();
        let boot_id = *RUN.get_or_init(|| std::fs::read_to_string(BOOT_ID).ok()?.trim().parse().ok());
        Self { shifts: Arc::default(), boot_id }
    }

    /// The same, started again after so long.
    pub fn started_again(&self, after: Duration, boot_id: Uuid) -> Self {
        let (passed, set) = (self.shifts.passed.load(Ordering::SeqCst), self.shifts.set.load(Ordering::SeqCst));
        let shifts = Shifts { passed: (passed + micros(after)).into(), set: set.into() };
        Self { shifts: Arc::new(shifts), boot_id: Some(boot_id) }
    }

    /// Which run of the machine this is; none if it does not say.
    pub fn boot_id(&self) -> Option<Uuid> {
        self.boot_id
    }

    /// Both clocks, the wall clock first: what lies between the two readings makes it
    /// look late, never early.
    pub fn read(&self) -> Reading {
        let (passed, set) = (self.shifts.passed.load(Ordering::SeqCst), self.shifts.set.load(Ordering::SeqCst));
        let wall = wall() + passed + set;
        Reading { wall, boot: since_boot() + passed }
    }

    /// Both clocks at the same moment, as far as that can be.
    pub fn read_closely(&self) -> Reading {
        let mut reading = self.read();
        for _ in 0..READINGS {
            let before = since_boot();
            reading = self.read();
            if since_boot() - before < APART {
                break;
            }
        }
        reading
    }

    /// Lets time pass.
    pub fn pass(&self, by: Micros) {
        self.shifts.passed.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the wall clock ahead, or back.
    pub fn set(&self, by: Micros) {
        self.shifts.set.fetch_add(by, Ordering::SeqCst);
    }
}

#[allow(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
fn wall() -> Micros {
    micros(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default())
}

fn since_boot() -> Micros {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
