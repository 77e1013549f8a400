//! What is left after a crash, a stop, a fault or an idle hour is what was
//! promised, and nothing else is.

mod child;
mod crash_points;
mod crash_restore;
mod fault;
mod foreign;
mod idle;
mod instance;
mod invariants;
mod kill;
mod pins;
mod restart;
mod space;
mod stop;
mod stream;
