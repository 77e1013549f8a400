//! Limits, each at its edge.

mod counts;
mod messages;
mod patches;
mod quota;
mod turns;
mod unpacked;
