//! What is left after a crash, a stop, a fault or an idle hour is what was
//! promised, and nothing else is.

#![allow(clippy::disallowed_methods, reason = "tests spawn what runs beside them")]

pub mod child;
mod crash_accept;
mod crash_billing;
mod crash_points;
mod crash_restore;
mod crash_source;
mod crash_trim;
mod ends;
mod fault;
mod fences;
mod foreign;
mod idle;
mod instance;
pub mod invariants;
mod kill;
mod kill_retained;
mod kill_source;
mod once;
// A release build has no calls that fail because a test says so.
#[cfg(debug_assertions)]
mod one_failure;
// Nor does it panic because a test says so.
#[cfg(debug_assertions)]
mod panics;
mod pins;
mod records_cli;
mod restart;
mod space;
mod stop;
mod stream;
