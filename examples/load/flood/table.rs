//! The lines that are printed, and the bars.

use std::{error::Error, time::Duration};

use super::{attack::Finding, beside::Figures, figure::Figure};
use crate::report::{milliseconds, number};

/// Of the server, at its height.
const MEMORY_MIB: f64 = 1024.0;
/// Of 99 in 100 calls of others.
const LATENCY: Duration = Duration::from_secs(1);

pub fn head() {
    println!(
        "  {:<28}{:>9}{:>9}{:>18}{:>18}{:>18}{:>9}  holds",
        "attack", "peak", "after", "health", "calls", "newcomers", "refused"
    );
    println!("  {:<28}{:>9}{:>9}{:>18}{:>18}{:>18}", "", "MiB", "MiB", "p99/worst ms", "p99/worst ms", "p99/worst ms");
}

pub fn failed(name: &str, error: &dyn Error) {
    println!("  {name:<28}  was not made: {error}");
}

pub struct Line<'a> {
    pub name: &'a str,
    pub peak: f64,
    pub after: f64,
    pub figures: &'a Figures,
    pub findings: &'a [Finding],
    /// What the attacker was answered.
    pub answers: String,
}

impl Line<'_> {
    /// Returns whether the attack holds.
    pub fn print(&self) -> bool {
        let Figures { health, calls, newcomers } = self.figures;
        let others = [("health", health), ("calls", calls), ("newcomers", newcomers)];
        let refused: u64 = others.iter().map(|(_, figure)| figure.failures()).sum();
        let in_time = others.iter().all(|(_, figure)| figure.tail() < LATENCY);
        let holds = self.peak < MEMORY_MIB && in_time && refused == 0 && self.findings.iter().all(|one| one.holds);
        println!(
            "  {:<28}{:>9.0}{:>9.0}{:>18}{:>18}{:>18}{refused:>9}  {}",
            self.name,
            self.peak,
            self.after,
            latency(health),
            latency(calls),
            latency(newcomers),
            verdict(holds),
        );
        for Finding { what, value, holds } in self.findings {
            println!("      {what}: {value}: {}", verdict(*holds));
        }
        for (what, figure) in others.iter().filter(|(_, figure)| figure.failures() > 0) {
            println!("      {what} refused: {}", figure.told());
        }
        if !self.answers.is_empty() {
            println!("      the attacker: {}", self.answers);
        }
        holds
    }
}

fn latency(figure: &Figure) -> String {
    let whole = |duration| number(milliseconds(duration).round());
    format!("{} / {}", whole(figure.tail()), whole(figure.worst()))
}

const fn verdict(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}
