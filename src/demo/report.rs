//! What the demo says: a line for each step, with its time.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use super::Result;
pub(super) use crate::lines::grouped;
use crate::lines::say;

/// Counts what held and says what happens.
pub(super) struct Report {
    began: Instant,
    held: usize,
}

impl Report {
    pub fn begin() -> Self {
        let report = Self { began: Instant::now(), held: 0 };
        say(format_args!(
            "stillframe {}: the main job on real data, through the gRPC API\n",
            env!("CARGO_PKG_VERSION")
        ));
        report
    }

    /// A step is done.
    pub fn did(&self, what: impl Display) {
        say(format_args!("{:>6.2} s  {what}", self.began.elapsed().as_secs_f64()));
    }

    /// More about the step before.
    #[allow(clippy::unused_self, reason = "only who reports has details")]
    pub fn detail(&self, what: impl Display) {
        say(format_args!("            {what}"));
    }

    /// Something that must hold; what does not ends the demo.
    pub fn check(&mut self, holds: bool, what: impl Display) -> Result<()> {
        if !holds {
            return Err(format!("this did not hold: {what}").into());
        }
        self.held += 1;
        Ok(())
    }

    /// Two values that must be equal.
    pub fn equal<T: PartialEq + Display>(&mut self, what: &str, found: T, expected: T) -> Result<()> {
        let holds = found == expected;
        self.check(holds, format_args!("{what} is {expected} (it is {found})"))
    }

    pub fn end(&self) {
        let seconds = self.began.elapsed().as_secs_f64();
        say(format_args!("\nAll of it held: {} checks in {seconds:.1} s.", self.held));
    }
}

/// A share of a whole, in percent.
#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(super) fn percent(part: i64, whole: i64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// A time span in milliseconds.
pub(super) fn millis(span: Duration) -> String {
    format!("{:.0} ms", span.as_secs_f64() * 1000.0)
}
