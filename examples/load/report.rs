//! A table that is printed line by line, while the scenario goes on.

use std::time::Duration;

pub const MIB: f64 = 1024.0 * 1024.0;

pub fn title(text: &str) {
    println!("\n== {text}");
}

/// A value without a bar.
pub fn note(name: &str, value: impl AsRef<str>) {
    println!("  {name:<48} {:>24}", value.as_ref());
}

pub fn at_least(name: &str, value: f64, bar: f64, unit: &str) {
    row(name, value, &format!("at least {} {unit}", number(bar)), value >= bar, unit);
}

pub fn at_most(name: &str, value: f64, bar: f64, unit: &str) {
    row(name, value, &format!("at most {} {unit}", number(bar)), value <= bar, unit);
}

pub fn between(name: &str, value: f64, low: f64, high: f64, unit: &str) {
    let bar = format!("{} to {} {unit}", number(low), number(high));
    row(name, value, &bar, (low..=high).contains(&value), unit);
}

fn row(name: &str, value: f64, bar: &str, met: bool, unit: &str) {
    let verdict = if met { "met" } else { "MISSED" };
    println!("  {name:<48} {:>24}   bar: {bar}: {verdict}", format!("{} {unit}", number(value)));
}

pub fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}

pub fn per_second(count: u64, elapsed: Duration) -> String {
    format!("{} /s", number(rate(count, elapsed)))
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

/// Large numbers in groups of three digits, small ones with three decimals.
pub fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => {
            let grouped = grouped(large.round() as u64);
            if value < 0.0 { format!("-{grouped}") } else { grouped }
        }
        middle if middle >= 100.0 || middle.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.3}"),
    }
}

pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Median, least and greatest of what was measured; zeros of nothing.
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

pub fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&least), Some(&greatest)) = (sorted.first(), sorted.last()) else {
        return Spread { median: 0.0, least: 0.0, greatest: 0.0 };
    };
    let upper = sorted.len() / 2;
    let median =
        if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[upper - 1], sorted[upper]) } else { sorted[upper] };
    Spread { median, least, greatest }
}
